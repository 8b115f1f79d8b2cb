//! What a template may say: one walk over its tree, which finds what it reads and reports every mistake.

use super::{Code, Mistake, Place, limits};
use crate::expression::diagnostic::did_you_mean;
use minijinja::{
    Error, ErrorKind,
    machinery::{Span, Token, ast, parse, tokenize},
};
use std::collections::BTreeSet;

/// What the walk finds.
#[derive(Debug, Default)]
pub struct Found {
    pub customer: BTreeSet<String>,
    pub content: BTreeSet<String>,
    pub links: bool,
    pub unsubscribes: bool,
    pub prefers: bool,
    pub confirms: bool,
    pub leaves: bool,
    pub joins: BTreeSet<String>,
    /// Texts that are included, and how deep they include each other.
    pub includes: BTreeSet<String>,
    pub depth: usize,
}

const FUNCTIONS: [&str; 9] = [
    "link",
    "unsubscribe_link",
    "preferences_link",
    "confirm_link",
    "leave_link",
    "join_link",
    "range",
    "dict",
    "namespace",
];
/// Filters there are. Left out: safe (it would put what a customer wrote into HTML as it is), attr and pprint (they look into values).
const FILTERS: [&str; 46] = [
    "abs",
    "batch",
    "bool",
    "capitalize",
    "chain",
    "count",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "first",
    "float",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "select",
    "selectattr",
    "sha256",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
    "urlencode",
];
const TESTS: [&str; 38] = [
    "!=",
    "<",
    "<=",
    "==",
    ">",
    ">=",
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "even",
    "false",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "int",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sequence",
    "startingwith",
    "string",
    "true",
    "undefined",
    "upper",
    "sameas",
];

/// Parses `source` and looks at every part of it.
pub fn check(source: &str, place: &Place) -> Result<Found, Vec<Mistake>> {
    bounded(source).map_err(|mistake| vec![mistake])?;
    let tree = parse(source, "content", Default::default()).map_err(|error| vec![syntax(&error)])?;
    let mut walk = Walk {
        place,
        found: Found::default(),
        mistakes: vec![],
        locals: vec![BTreeSet::new()],
        loops: 0,
        within: vec![],
        included: 0,
    };
    walk.statement(&tree);
    if walk.mistakes.is_empty() {
        Ok(walk.found)
    } else {
        Err(walk.mistakes)
    }
}

/// What the parser says, in words a writer understands.
pub fn syntax(error: &Error) -> Mistake {
    let detail = error.detail().unwrap_or("it cannot be read").to_owned();
    let help = if error.kind() == ErrorKind::SyntaxError {
        Some("a value is written {{ customer.firstName }}, a condition {% if ... %} ... {% endif %}".to_owned())
    } else {
        None
    };
    Mistake {
        code: Code::Syntax,
        line: error.line().unwrap_or(1),
        span: error.range(),
        message: detail,
        help,
    }
}

/// Refuses what would be deep before anything walks into it: the parser, the compiler and this walk are recursive.
fn bounded(source: &str) -> Result<(), Mistake> {
    let refuse = |line: u32, message: String, help: &str| {
        Err(Mistake {
            code: Code::TooLarge,
            line: line as usize,
            span: None,
            message,
            help: Some(help.into()),
        })
    };
    if source.len() > limits::SOURCE {
        return refuse(
            1,
            format!("{} bytes; at most {} are taken", source.len(), limits::SOURCE),
            "make it shorter",
        );
    }
    // The parser counts columns and lines in 16 bits.
    if let Some((n, line)) = source
        .lines()
        .enumerate()
        .find(|(n, line)| line.len() > limits::LINE || *n >= limits::LINES)
    {
        let message = format!("a line of {} bytes in a text of {} lines or more", line.len(), n + 1);
        return refuse(
            1,
            message,
            &format!(
                "at most {} bytes a line and {} lines are taken",
                limits::LINE,
                limits::LINES
            ),
        );
    }
    // How deep each open tag nests: an `elif` stands in the `if` before it.
    let (mut words, mut open, mut first) = (0, Vec::<usize>::new(), false);
    // {% set x %} without a = has a body.
    let mut sets = false;
    for token in tokenize(source, false, Default::default()) {
        // The parser says what is wrong with it.
        let Ok((token, span)) = token else { return Ok(()) };
        let line = u32::from(span.start_line);
        match token {
            Token::VariableStart | Token::BlockStart => {
                words = 0;
                first = matches!(token, Token::BlockStart);
                continue;
            }
            Token::Assign => sets = false,
            Token::BlockEnd if sets => {
                sets = false;
                open.push(1);
            }
            Token::Ident(name) if first => match name {
                "set" => sets = true,
                "if" | "for" | "with" | "filter" | "macro" | "call" | "autoescape" | "block" => open.push(1),
                "elif" => open.iter_mut().last().into_iter().for_each(|depth| *depth += 1),
                "endif" | "endfor" | "endwith" | "endfilter" | "endmacro" | "endcall" | "endautoescape" | "endset"
                | "endblock" => {
                    open.pop();
                }
                _ => {}
            },
            _ => {}
        }
        first = false;
        words += 1;
        if words > limits::WORDS {
            return refuse(
                line,
                format!("more than {} words in one tag", limits::WORDS),
                "divide it with {% set %}",
            );
        }
        if open.iter().sum::<usize>() > limits::DEPTH {
            return refuse(
                line,
                format!("more than {} tags inside each other", limits::DEPTH),
                "write fewer conditions",
            );
        }
    }
    Ok(())
}

struct Walk<'a> {
    place: &'a Place,
    found: Found,
    mistakes: Vec<Mistake>,
    /// Names that the template itself gives, by scope.
    locals: Vec<BTreeSet<String>>,
    /// Loops around the place.
    loops: usize,
    /// Names of the texts that are being included, each by the one before.
    within: Vec<String>,
    /// Includes so far.
    included: usize,
}

impl Walk<'_> {
    fn mistake(&mut self, code: Code, span: Span, message: String, help: Option<String>) {
        self.tell(Mistake {
            code,
            line: usize::from(span.start_line).max(1),
            span: Some(span.start_offset as usize..span.end_offset as usize).filter(|span| !span.is_empty()),
            message,
            help,
        });
    }

    /// The line is that of the text in which the mistake is.
    fn tell(&mut self, mistake: Mistake) {
        if self.mistakes.len() < limits::MISTAKES {
            let mistake = match self.within.last() {
                Some(text) => Mistake {
                    message: format!("of '{text}', which it includes: {}", mistake.message),
                    span: None,
                    ..mistake
                },
                None => mistake,
            };
            self.mistakes.push(mistake);
        }
    }

    /// An included text sees what is known where it is included, and gives nothing back.
    fn include(&mut self, of: &ast::Include<'_>, span: Span) {
        let place = self.place;
        let written = || Some("write {% include 'NAME' %}".to_owned());
        let ast::Expr::Const(name) = &of.name else {
            return self.mistake(
                Code::Include,
                span,
                "what is included must be known before it runs".into(),
                written(),
            );
        };
        let Some(name) = name.value.as_str() else {
            return self.mistake(
                Code::Include,
                span,
                "an include names one text, in quotes".into(),
                written(),
            );
        };
        if of.ignore_missing {
            let help = Some("leave out `ignore missing`".to_owned());
            return self.mistake(Code::Include, span, format!("'{name}' must be there"), help);
        }
        if let Some(first) = self.within.iter().position(|each| each == name) {
            let circle = self.within[first..].iter().map(String::as_str).chain([name]);
            let circle = circle.collect::<Vec<_>>().join(", ");
            let help = Some("take one of the includes out".to_owned());
            return self.mistake(
                Code::Include,
                span,
                format!("it would be included for ever: {circle}"),
                help,
            );
        }
        self.included += 1;
        let sizes = self.found.includes.iter().filter_map(|name| place.includes.get(name));
        let size: usize = sizes.map(|text| text.len()).sum();
        let too_much = if self.within.len() == limits::INCLUDE_DEPTH {
            Some(format!("more than {} texts include each other", limits::INCLUDE_DEPTH))
        } else if self.included > limits::INCLUDES {
            Some(format!("more than {} includes", limits::INCLUDES))
        } else if size > limits::INCLUDED {
            Some(format!("what it includes has more than {} bytes", limits::INCLUDED))
        } else {
            None
        };
        if let Some(message) = too_much {
            return self.mistake(Code::Include, span, message, Some("include less".into()));
        }
        let Some(text) = place.includes.get(name) else {
            let known = place.includes.keys().map(String::as_str);
            let help = did_you_mean(name, known).map(|meant| format!("did you mean '{meant}'?"));
            return self.mistake(
                Code::Include,
                span,
                format!("there is no text '{name}' to include"),
                help,
            );
        };
        self.found.includes.insert(name.to_owned());
        self.within.push(name.to_owned());
        self.found.depth = self.found.depth.max(self.within.len());
        let read = bounded(text).and_then(|()| parse(text, name, Default::default()).map_err(|error| syntax(&error)));
        match read {
            Ok(tree) => self.scoped(|walk| walk.statement(&tree)),
            Err(mistake) => self.tell(mistake),
        }
        self.within.pop();
    }

    fn stands_alone(&mut self, span: Span) {
        let help = "write its text out, or {% include 'NAME' %}".to_owned();
        self.mistake(
            Code::Include,
            span,
            "a template is no part of another".into(),
            Some(help),
        );
    }

    fn statements(&mut self, all: &[ast::Stmt<'_>]) {
        all.iter().for_each(|one| self.statement(one));
    }

    fn scoped(&mut self, walk: impl FnOnce(&mut Self)) {
        self.locals.push(BTreeSet::new());
        walk(self);
        self.locals.pop();
    }

    fn statement(&mut self, statement: &ast::Stmt<'_>) {
        match statement {
            ast::Stmt::Template(all) => self.statements(&all.children),
            ast::Stmt::EmitExpr(of) => self.expression(&of.expr),
            ast::Stmt::EmitRaw(_) => {}
            ast::Stmt::ForLoop(of) => {
                self.expression(&of.iter);
                self.scoped(|walk| {
                    walk.assign(&of.target);
                    walk.loops += 1;
                    of.filter_expr.iter().for_each(|filter| walk.expression(filter));
                    walk.statements(&of.body);
                    walk.loops -= 1;
                });
                self.scoped(|walk| walk.statements(&of.else_body));
            }
            ast::Stmt::IfCond(of) => {
                self.expression(&of.expr);
                self.statements(&of.true_body);
                self.statements(&of.false_body);
            }
            ast::Stmt::WithBlock(of) => self.scoped(|walk| {
                for (target, value) in &of.assignments {
                    walk.expression(value);
                    walk.assign(target);
                }
                walk.statements(&of.body);
            }),
            ast::Stmt::Set(of) => {
                self.expression(&of.expr);
                self.assign(&of.target);
            }
            ast::Stmt::SetBlock(of) => {
                self.scoped(|walk| walk.statements(&of.body));
                of.filter.iter().for_each(|filter| self.expression(filter));
                self.assign(&of.target);
            }
            ast::Stmt::AutoEscape(of) => {
                self.mistake(
                    Code::NameIsTaken,
                    of.span(),
                    "autoescape cannot be changed: values are escaped in html, and only there".into(),
                    None,
                );
            }
            ast::Stmt::FilterBlock(of) => {
                self.expression(&of.filter);
                self.scoped(|walk| walk.statements(&of.body));
            }
            ast::Stmt::Include(of) => self.include(of, of.span()),
            ast::Stmt::Block(of) => self.stands_alone(of.span()),
            ast::Stmt::Import(of) => self.stands_alone(of.span()),
            ast::Stmt::FromImport(of) => self.stands_alone(of.span()),
            ast::Stmt::Extends(of) => self.stands_alone(of.span()),
            ast::Stmt::Macro(of) => {
                self.name(of.name, of.span());
                self.macro_body(of);
            }
            ast::Stmt::CallBlock(of) => {
                self.call(&of.call, of.call.span());
                self.macro_body(&of.macro_decl);
            }
            ast::Stmt::Do(of) => self.call(&of.call, of.call.span()),
        }
    }

    fn macro_body(&mut self, of: &ast::Macro<'_>) {
        of.defaults.iter().for_each(|default| self.expression(default));
        self.scoped(|walk| {
            of.args.iter().for_each(|arg| walk.assign(arg));
            if let Some(scope) = walk.locals.last_mut() {
                scope.insert("caller".into());
            }
            walk.statements(&of.body);
        });
    }

    /// What stands left of an assignment.
    fn assign(&mut self, target: &ast::Expr<'_>) {
        match target {
            ast::Expr::Var(var) => self.name(var.id, var.span()),
            ast::Expr::List(of) => of.items.iter().for_each(|item| self.assign(item)),
            ast::Expr::Tuple(of) => of.items.iter().for_each(|item| self.assign(item)),
            // A field of a namespace().
            ast::Expr::GetAttr(of) => self.expression(&of.expr),
            other => self.mistake(
                Code::NameIsTaken,
                other.span(),
                format!("a {} cannot be assigned", other.description()),
                None,
            ),
        }
    }

    fn name(&mut self, name: &str, span: Span) {
        if self.roots().contains(&name) || FUNCTIONS.contains(&name) {
            self.mistake(
                Code::NameIsTaken,
                span,
                format!("'{name}' is taken"),
                Some("choose another name".into()),
            );
        } else if let Some(scope) = self.locals.last_mut() {
            scope.insert(name.to_owned());
        }
    }

    fn is_local(&self, name: &str) -> bool {
        self.locals.iter().any(|scope| scope.contains(name)) || (name == "loop" && self.loops > 0)
    }

    fn roots(&self) -> Vec<&'static str> {
        let mut roots = vec!["customer", "with"];
        roots.extend((self.place.any_content || !self.place.content.is_empty()).then_some("content"));
        roots.extend(self.place.to.then_some("to"));
        roots
    }

    fn expression(&mut self, expression: &ast::Expr<'_>) {
        match expression {
            ast::Expr::Var(var) => self.variable(var.id, var.span()),
            ast::Expr::Const(_) => {}
            ast::Expr::Slice(of) => {
                self.expression(&of.expr);
                [&of.start, &of.stop, &of.step]
                    .into_iter()
                    .flatten()
                    .for_each(|part| self.expression(part));
            }
            ast::Expr::UnaryOp(of) => self.expression(&of.expr),
            ast::Expr::BinOp(of) => {
                self.expression(&of.left);
                self.expression(&of.right);
            }
            ast::Expr::Compare(of) => {
                self.expression(&of.expr);
                of.ops.iter().for_each(|op| self.expression(&op.expr));
            }
            ast::Expr::IfExpr(of) => {
                self.expression(&of.test_expr);
                self.expression(&of.true_expr);
                of.false_expr.iter().for_each(|otherwise| self.expression(otherwise));
            }
            ast::Expr::Filter(of) => {
                self.known("filter", of.name, &FILTERS, of.span());
                of.expr.iter().for_each(|value| self.expression(value));
                self.arguments(&of.args);
            }
            ast::Expr::Test(of) => {
                self.known("test", of.name, &TESTS, of.span());
                self.expression(&of.expr);
                self.arguments(&of.args);
            }
            ast::Expr::GetAttr(of) => self.attribute(&of.expr, of.name, of.span()),
            ast::Expr::GetItem(of) => match &of.subscript_expr {
                ast::Expr::Const(name) if name.value.as_str().is_some() => {
                    self.attribute(&of.expr, name.value.as_str().unwrap_or_default(), of.span());
                }
                at => {
                    if let Some(root) = self.root(&of.expr) {
                        self.mistake(
                            Code::DynamicAccess,
                            of.span(),
                            format!("{root}[...] would read what is not known before it runs"),
                            Some(format!("name it: {root}.NAME")),
                        );
                    } else {
                        self.expression(&of.expr);
                    }
                    self.expression(at);
                }
            },
            ast::Expr::Call(of) => self.call(of, of.span()),
            ast::Expr::List(of) => of.items.iter().for_each(|item| self.expression(item)),
            ast::Expr::Tuple(of) => of.items.iter().for_each(|item| self.expression(item)),
            ast::Expr::Map(of) => of.keys.iter().chain(&of.values).for_each(|part| self.expression(part)),
        }
    }

    fn arguments(&mut self, all: &[ast::CallArg<'_>]) {
        for one in all {
            match one {
                ast::CallArg::Pos(of)
                | ast::CallArg::Kwarg(_, of)
                | ast::CallArg::PosSplat(of)
                | ast::CallArg::KwargSplat(of) => {
                    self.expression(of);
                }
            }
        }
    }

    /// customer, with or content, where they are not names of the template's own.
    fn root(&self, expression: &ast::Expr<'_>) -> Option<&'static str> {
        match expression {
            ast::Expr::Var(var) if var.id != "to" => self.roots().into_iter().find(|root| *root == var.id),
            _ => None,
        }
    }

    fn variable(&mut self, name: &str, span: Span) {
        if self.is_local(name) || (name == "to" && self.place.to) {
            return;
        }
        if self.roots().contains(&name) {
            let message = format!("'{name}' as a whole cannot be used");
            return self.mistake(
                Code::DynamicAccess,
                span,
                message,
                Some(format!("name what is needed: {name}.NAME")),
            );
        }
        if FUNCTIONS.contains(&name) {
            return self.mistake(
                Code::UnknownName,
                span,
                format!("'{name}' is a function"),
                Some(format!("call it: {name}(...)")),
            );
        }
        let roots = self.roots();
        let help = if self.place.customer.contains(name) {
            format!("write customer.{name}")
        } else if self.place.with.contains(name) {
            format!("write with.{name}")
        } else if self.place.content.contains(name) {
            format!("write content.{name}")
        } else {
            let locals: Vec<&str> = self.locals.iter().flatten().map(String::as_str).collect();
            did_you_mean(name, roots.iter().copied().chain(locals)).map_or_else(
                || format!("known here: {}", roots.join(", ")),
                |meant| format!("did you mean {meant}?"),
            )
        };
        self.mistake(
            Code::UnknownName,
            span,
            format!("'{name}' is not known here"),
            Some(help),
        );
    }

    fn attribute(&mut self, of: &ast::Expr<'_>, name: &str, span: Span) {
        let Some(root) = self.root(of) else {
            if let ast::Expr::GetAttr(inner) = of
                && let Some(root) = self.root(&inner.expr)
            {
                let message = format!("'{root}.{}' has no '{name}': it is one value", inner.name);
                self.mistake(Code::UnknownField, span, message, None);
            }
            return self.expression(of);
        };
        let known = match root {
            "customer" => &self.place.customer,
            "with" => &self.place.with,
            _ => &self.place.content,
        };
        let there = known.contains(name)
            || (root == "customer" && name == "id")
            || (root == "with" && self.place.any_with)
            || (root == "content" && self.place.any_content);
        if !there {
            let help = did_you_mean(name, known.iter().map(String::as_str))
                .map(|meant| format!("did you mean {root}.{meant}?"))
                .or_else(|| match root {
                    "customer" => Some("add it to the attributes of the CustomerProfile".to_owned()),
                    "with" => Some(format!(
                        "give it in `with` of every step that sends this: with: {{{name}: ...}}"
                    )),
                    _ => (!known.is_empty()).then(|| {
                        format!(
                            "it has: {}",
                            known.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
                        )
                    }),
                });
            return self.mistake(Code::UnknownField, span, format!("'{root}' has no '{name}'"), help);
        }
        match root {
            "customer" if name != "id" => {
                self.found.customer.insert(name.to_owned());
            }
            "content" => {
                self.found.content.insert(name.to_owned());
            }
            _ => {}
        }
    }

    fn known(&mut self, what: &str, name: &str, known: &[&'static str], span: Span) {
        if known.contains(&name) {
            return;
        }
        let help = if name == "safe" {
            Some("values are always escaped in html: write tags in the template itself".to_owned())
        } else {
            did_you_mean(name, known.iter().copied()).map(|meant| format!("did you mean {meant}?"))
        };
        self.mistake(Code::UnknownFilter, span, format!("there is no {what} '{name}'"), help);
    }

    fn call(&mut self, call: &ast::Call<'_>, span: Span) {
        match call.identify_call() {
            ast::CallType::Function(name) if self.is_local(name) => {}
            ast::CallType::Function(
                name @ ("link" | "unsubscribe_link" | "preferences_link" | "confirm_link" | "leave_link" | "join_link"),
            ) => self.address(name, call, span),
            ast::CallType::Function(name) if FUNCTIONS.contains(&name) => {}
            ast::CallType::Function(name) => {
                let help = did_you_mean(name, FUNCTIONS).map_or_else(
                    || format!("functions are {}", FUNCTIONS.join(", ")),
                    |meant| format!("did you mean {meant}()?"),
                );
                self.mistake(
                    Code::UnknownFunction,
                    span,
                    format!("there is no function '{name}'"),
                    Some(help),
                );
            }
            ast::CallType::Method(ast::Expr::Var(var), "cycle" | "changed")
                if var.id == "loop" && self.is_local("loop") => {}
            ast::CallType::Method(of, name) => {
                let help = FILTERS.contains(&name).then(|| format!("write a filter: value|{name}"));
                self.mistake(
                    Code::UnknownFunction,
                    span,
                    format!("values have no method '{name}'"),
                    help,
                );
                self.expression(of);
            }
            ast::CallType::Block(_) => self.stands_alone(span),
            ast::CallType::Object(of) => {
                self.mistake(Code::UnknownFunction, span, "only functions can be called".into(), None);
                self.expression(of);
            }
        }
        self.arguments(&call.args);
    }

    fn address(&mut self, name: &str, call: &ast::Call<'_>, span: Span) {
        if let "unsubscribe_link" | "preferences_link" | "confirm_link" | "leave_link" = name {
            self.found.unsubscribes |= name == "unsubscribe_link";
            self.found.prefers |= name == "preferences_link";
            self.found.confirms |= name == "confirm_link";
            self.found.leaves |= name == "leave_link";
            if !call.args.is_empty() {
                self.mistake(Code::LinkAddress, span, format!("{name}() takes nothing"), None);
            }
            return;
        }
        if name == "join_link" {
            let journey = match &call.args[..] {
                [ast::CallArg::Pos(ast::Expr::Const(journey))] => journey.value.as_str(),
                _ => None,
            };
            match journey {
                Some(journey) => drop(self.found.joins.insert(journey.to_owned())),
                None => self.mistake(
                    Code::LinkAddress,
                    span,
                    "join_link() takes the name of a journey, in quotes".into(),
                    Some("write join_link('weekly-tips')".into()),
                ),
            }
            return;
        }
        self.found.links = true;
        match &call.args[..] {
            [ast::CallArg::Pos(ast::Expr::Const(address))] => {
                let web = address
                    .value
                    .as_str()
                    .is_some_and(|text| text.starts_with("https://") || text.starts_with("http://"));
                if !web {
                    let help = "write link('https://shop.example/cart')".to_owned();
                    self.mistake(
                        Code::LinkAddress,
                        span,
                        "link() takes an address that begins with https:// or http://".into(),
                        Some(help),
                    );
                }
            }
            [ast::CallArg::Pos(_)] => {}
            _ => self.mistake(
                Code::LinkAddress,
                span,
                "link() takes one address".into(),
                Some("write link('https://shop.example/cart')".into()),
            ),
        }
    }
}
