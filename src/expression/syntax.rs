//! Tokens to a syntax tree whose height is bounded, so that everything after may recurse. `&&` and `||` are flat: a long
//! list of alternatives is wide, not deep. Knows nothing of names and types; what it makes goes to `check`.

use super::ast::{Ast, COMPARISON, Kind, Op};
use super::diagnostic::{Code, Diagnostic, Span};
use super::limits;
use super::token::{Token, next};

/// The whole of `source` is one expression.
pub fn parse(source: &str) -> Result<Ast, Diagnostic> {
    let (ast, parser) = open(source, 0)?;
    match parser.token {
        Token::End => Ok(ast),
        ref other => Err(unexpected(other, parser.span.clone(), "the expression should end here")),
    }
}

/// The expression from `from` to the `}` that closes it; returns where the `}` stands.
pub fn parse_until_brace(source: &str, from: usize) -> Result<(Ast, usize), Diagnostic> {
    let (ast, parser) = open(source, from)?;
    match parser.token {
        Token::Sign("}") => Ok((ast, parser.span.start)),
        ref other => Err(unexpected(other, parser.span.clone(), "'${' needs its '}' here")),
    }
}

fn open(source: &str, from: usize) -> Result<(Ast, Parser<'_>), Diagnostic> {
    if source.len() > limits::SOURCE {
        return Err(Diagnostic::new(
            Code::TooLarge,
            0..0,
            format!("{} bytes; at most {} are read", source.len(), limits::SOURCE),
        ));
    }
    let (token, span) = next(source, from)?;
    let mut parser = Parser {
        source,
        token,
        span,
        ended: from,
        depth: 0,
    };
    let ast = parser.expression()?;
    Ok((ast, parser))
}

struct Parser<'a> {
    source: &'a str,
    token: Token,
    span: Span,
    ended: usize,
    depth: usize,
}

impl Parser<'_> {
    fn expression(&mut self) -> Result<Ast, Diagnostic> {
        self.deeper(|p| {
            let when = p.chain(
                "||",
                |p| p.chain("&&", |p| p.binary(COMPARISON), Kind::Every),
                Kind::Any,
            )?;
            if !p.take("?")? {
                return Ok(when);
            }
            let yes = p.expression()?;
            p.need(":", "with the value for no")?;
            let no = p.expression()?;
            let span = when.span.start..no.span.end;
            p.node(Kind::Choose(Box::new([when, yes, no])), span)
        })
    }

    fn chain(
        &mut self,
        sign: &'static str,
        mut part: impl FnMut(&mut Self) -> Result<Ast, Diagnostic>,
        wrap: fn(Vec<Ast>) -> Kind,
    ) -> Result<Ast, Diagnostic> {
        let first = part(self)?;
        let mut parts = vec![first];
        loop {
            if let Token::Name(word) = &self.token
                && let Some(meant) = [("and", "&&"), ("or", "||"), ("is", "=="), ("AND", "&&"), ("OR", "||")]
                    .iter()
                    .find(|(w, _)| w == word)
            {
                return Err(Diagnostic::new(
                    Code::Syntax,
                    self.span.clone(),
                    format!("'{word}' is written {}", meant.1),
                ));
            }
            if !self.take(sign)? {
                break;
            }
            parts.push(part(self)?);
        }
        if parts.len() == 1 {
            return Ok(parts.remove(0));
        }
        let span = parts[0].span.start..parts[parts.len() - 1].span.end;
        self.node(wrap(parts), span)
    }

    fn binary(&mut self, least: u8) -> Result<Ast, Diagnostic> {
        let mut left = self.unary()?;
        while let Some(op) = Op::of(&self.token).filter(|op| op.power() >= least) {
            // In (a < b) == c the parentheses make the left side wider than its own right side.
            if op.compares()
                && matches!(&left.kind, Kind::Binary(o, _, r) if o.compares() && r.span.end == left.span.end)
            {
                return Err(
                    Diagnostic::new(Code::Syntax, self.span.clone(), "comparisons do not chain".into())
                        .help(Some("write a < b && b < c")),
                );
            }
            self.advance()?;
            let right = self.binary(op.power() + 1)?;
            let span = left.span.start..right.span.end;
            left = self.node(Kind::Binary(op, Box::new(left), Box::new(right)), span)?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Ast, Diagnostic> {
        let start = self.span.start;
        if self.take("!")? {
            let of = self.deeper(Self::unary)?;
            let span = start..of.span.end;
            return self.node(Kind::Not(Box::new(of)), span);
        }
        if self.take("-")? {
            // -9223372036854775808 is a number, 9223372036854775808 is none.
            if let Token::Int(n) = self.token {
                let value = 0i64.checked_sub_unsigned(n).ok_or_else(|| {
                    Diagnostic::new(Code::Syntax, start..self.span.end, "this number is too large".into())
                })?;
                self.advance()?;
                return self.node(Kind::Int(value), start..self.ended);
            }
            let of = self.deeper(Self::unary)?;
            let span = start..of.span.end;
            return self.node(Kind::Negate(Box::new(of)), span);
        }
        self.postfix()
    }

    fn postfix(&mut self) -> Result<Ast, Diagnostic> {
        let mut left = self.primary()?;
        loop {
            let start = left.span.start;
            if self.take(".")? {
                let name_span = self.span.clone();
                let Token::Name(name) = self.token.clone() else {
                    return Err(unexpected(&self.token, name_span, "a name is needed after the dot"));
                };
                self.advance()?;
                left = if self.is("(") {
                    let args = self.arguments()?;
                    self.node(
                        Kind::Call {
                            on: Some(Box::new(left)),
                            name,
                            name_span,
                            args,
                        },
                        start..self.ended,
                    )?
                } else {
                    self.node(Kind::Member(Box::new(left), name, name_span), start..self.ended)?
                };
            } else if self.take("[")? {
                let index = self.expression()?;
                self.need("]", "to close '['")?;
                left = self.node(Kind::Index(Box::new(left), Box::new(index)), start..self.ended)?;
            } else {
                return Ok(left);
            }
        }
    }

    fn primary(&mut self) -> Result<Ast, Diagnostic> {
        let span = self.span.clone();
        let token = std::mem::replace(&mut self.token, Token::End);
        let kind = match token {
            Token::Int(n) => Kind::Int(
                i64::try_from(n)
                    .map_err(|_| Diagnostic::new(Code::Syntax, span.clone(), "this number is too large".into()))?,
            ),
            Token::Number(n) => Kind::Number(n),
            Token::Text(text) => Kind::Text(text),
            Token::Name(name) => match name.as_str() {
                "true" => Kind::Bool(true),
                "false" => Kind::Bool(false),
                "null" => Kind::Null,
                "not" => return Err(Diagnostic::new(Code::Syntax, span, "'not' is written !".into())),
                "in" => return Err(unexpected(&Token::Name(name), span, "a value is needed here")),
                _ => {
                    self.advance()?;
                    if self.is("(") {
                        let args = self.arguments()?;
                        return self.node(
                            Kind::Call {
                                on: None,
                                name,
                                name_span: span.clone(),
                                args,
                            },
                            span.start..self.ended,
                        );
                    }
                    return self.node(Kind::Name(name), span);
                }
            },
            Token::Sign("(") => {
                self.advance()?;
                let mut inner = self.expression()?;
                self.need(")", "to close '('")?;
                inner.span = span.start..self.ended;
                return Ok(inner);
            }
            Token::Sign("[") => {
                self.advance()?;
                let items = self.items("]")?;
                return self.node(Kind::List(items), span.start..self.ended);
            }
            Token::Sign("{") => {
                return Err(Diagnostic::new(
                    Code::NotInCel,
                    span,
                    "maps cannot be written here".into(),
                ));
            }
            other => return Err(unexpected(&other, span, "a value is needed here")),
        };
        self.advance()?;
        self.node(kind, span)
    }

    fn arguments(&mut self) -> Result<Vec<Ast>, Diagnostic> {
        self.need("(", "")?;
        self.items(")")
    }

    fn items(&mut self, close: &'static str) -> Result<Vec<Ast>, Diagnostic> {
        let mut items = Vec::new();
        if self.take(close)? {
            return Ok(items);
        }
        loop {
            items.push(self.expression()?);
            if self.take(",")? {
                continue;
            }
            self.need(close, "or a comma")?;
            return Ok(items);
        }
    }

    fn is(&self, sign: &str) -> bool {
        matches!(self.token, Token::Sign(s) if s == sign)
    }

    fn take(&mut self, sign: &str) -> Result<bool, Diagnostic> {
        let found = self.is(sign);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn need(&mut self, sign: &str, why: &str) -> Result<(), Diagnostic> {
        if self.take(sign)? {
            Ok(())
        } else {
            Err(unexpected(
                &self.token,
                self.span.clone(),
                &format!("'{sign}' is needed {why}"),
            ))
        }
    }

    fn advance(&mut self) -> Result<(), Diagnostic> {
        self.ended = self.span.end;
        (self.token, self.span) = next(self.source, self.span.end)?;
        Ok(())
    }

    fn deeper<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T, Diagnostic>) -> Result<T, Diagnostic> {
        if self.depth >= limits::HEIGHT {
            return Err(too_deep(self.span.clone()));
        }
        self.depth += 1;
        let result = f(self);
        self.depth -= 1;
        result
    }

    fn node(&self, kind: Kind, span: Span) -> Result<Ast, Diagnostic> {
        let below = kind.height_below();
        if below >= limits::HEIGHT {
            return Err(too_deep(span));
        }
        let height = below + 1;
        Ok(Ast { kind, span, height })
    }
}

fn too_deep(span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::TooLarge,
        span,
        format!("nested more than {} deep", limits::HEIGHT),
    )
}

fn unexpected(token: &Token, span: Span, wanted: &str) -> Diagnostic {
    let found = match token {
        Token::End => "the end".to_owned(),
        Token::Sign(sign) => format!("'{sign}'"),
        Token::Name(name) => format!("'{name}'"),
        Token::Int(_) | Token::Number(_) => "a number".to_owned(),
        Token::Text(_) => "a text".to_owned(),
    };
    Diagnostic::new(Code::Syntax, span, format!("{wanted}, but {found} is here"))
}
