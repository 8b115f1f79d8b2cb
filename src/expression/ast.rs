//! The shape of an expression as it was written, before anything is known of names and types. Made by `syntax`, read by `check`.

use super::diagnostic::Span;
use super::token::Token;

/// A node and where it stands in the source. `height` is 1 for a leaf and never above [`super::limits::HEIGHT`].
#[derive(Debug)]
pub struct Ast {
    pub kind: Kind,
    pub span: Span,
    pub height: usize,
}

#[derive(Debug)]
pub enum Kind {
    Null,
    Bool(bool),
    Int(i64),
    Number(f64),
    Text(String),
    Name(String),
    /// The span is the member name's own.
    Member(Box<Ast>, String, Span),
    Index(Box<Ast>, Box<Ast>),
    /// `name(args)` or `on.name(args)`.
    Call {
        on: Option<Box<Ast>>,
        name: String,
        name_span: Span,
        args: Vec<Ast>,
    },
    List(Vec<Ast>),
    Not(Box<Ast>),
    Negate(Box<Ast>),
    Binary(Op, Box<Ast>, Box<Ast>),
    /// `&&`, flat.
    Every(Vec<Ast>),
    /// `||`, flat.
    Any(Vec<Ast>),
    /// `when ? yes : no`.
    Choose(Box<[Ast; 3]>),
}

impl Kind {
    /// Height of the tallest part, 0 for a leaf.
    pub fn height_below(&self) -> usize {
        let tallest = |parts: &[Ast]| parts.iter().map(|part| part.height).max().unwrap_or(0);
        match self {
            Kind::Null | Kind::Bool(_) | Kind::Int(_) | Kind::Number(_) | Kind::Text(_) | Kind::Name(_) => 0,
            Kind::Member(of, ..) | Kind::Not(of) | Kind::Negate(of) => of.height,
            Kind::Index(left, right) | Kind::Binary(_, left, right) => left.height.max(right.height),
            Kind::Call { on, args, .. } => tallest(args).max(on.as_ref().map_or(0, |on| on.height)),
            Kind::List(parts) | Kind::Every(parts) | Kind::Any(parts) => tallest(parts),
            Kind::Choose(three) => tallest(&three[..]),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    Unequal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
}

/// How tightly comparisons bind; sums and products bind more tightly.
pub const COMPARISON: u8 = 3;
const SUM: u8 = 4;
const PRODUCT: u8 = 5;

impl Op {
    /// The operator as it is written.
    pub fn sign(self) -> &'static str {
        match self {
            Op::Add => "+",
            Op::Subtract => "-",
            Op::Multiply => "*",
            Op::Divide => "/",
            Op::Remainder => "%",
            Op::Equal => "==",
            Op::Unequal => "!=",
            Op::Less => "<",
            Op::LessEqual => "<=",
            Op::Greater => ">",
            Op::GreaterEqual => ">=",
            Op::In => "in",
        }
    }

    /// Whether the result is true or false.
    pub fn compares(self) -> bool {
        self.power() == COMPARISON
    }

    /// How tightly it binds.
    pub fn power(self) -> u8 {
        match self {
            Op::Add | Op::Subtract => SUM,
            Op::Multiply | Op::Divide | Op::Remainder => PRODUCT,
            Op::Equal | Op::Unequal | Op::Less | Op::LessEqual | Op::Greater | Op::GreaterEqual | Op::In => COMPARISON,
        }
    }

    /// The operator that a token stands for between two values.
    pub fn of(token: &Token) -> Option<Op> {
        let sign = match token {
            Token::Sign(sign) => sign,
            Token::Name(name) if name == "in" => "in",
            Token::Name(_) | Token::Int(_) | Token::Number(_) | Token::Text(_) | Token::End => return None,
        };
        [
            Op::Add,
            Op::Subtract,
            Op::Multiply,
            Op::Divide,
            Op::Remainder,
            Op::Equal,
            Op::Unequal,
            Op::Less,
            Op::LessEqual,
            Op::Greater,
            Op::GreaterEqual,
            Op::In,
        ]
        .into_iter()
        .find(|op| op.sign() == sign)
    }
}
