//! Text to expressions.

use super::super::{call::Refusal, world::World};

/// A parsed expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expression {
    Number(f64),
    /// The value that is at hand: `'.'`.
    Current,
    /// A point, by number.
    Point(usize),
    Operation(Operator, Box<Expression>, Box<Expression>),
    Not(Box<Expression>),
    Negative(Box<Expression>),
    Function(Function, Vec<Expression>),
    If(Box<[Expression; 3]>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Plus,
    Minus,
    Times,
    Divided,
    Power,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Abs,
    Sqr,
    Int,
    Round,
    Min,
    Max,
    BadVal,
    TagVal,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Number(f64),
    Name(String),
    Quoted(String),
    Sign(&'static str),
}

const SIGNS: [&str; 14] = ["<>", "<=", ">=", "<", ">", "=", "+", "-", "*", "/", "^", "(", ")", ","];
/// Binary operators by precedence, weakest first.
const LEVELS: [&[(&str, Operator)]; 6] = [
    &[("or", Operator::Or)],
    &[("and", Operator::And)],
    &[
        ("=", Operator::Equal),
        ("<>", Operator::Unequal),
        ("<=", Operator::LessEqual),
        (">=", Operator::GreaterEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ],
    &[("+", Operator::Plus), ("-", Operator::Minus)],
    &[("*", Operator::Times), ("/", Operator::Divided)],
    &[("^", Operator::Power)],
];
const FUNCTIONS: [(&str, Function, usize); 8] = [
    ("abs", Function::Abs, 1),
    ("sqr", Function::Sqr, 1),
    ("int", Function::Int, 1),
    ("round", Function::Round, 1),
    ("min", Function::Min, 2),
    ("max", Function::Max, 2),
    ("badval", Function::BadVal, 1),
    ("tagval", Function::TagVal, 1),
];

impl Expression {
    /// Reads an expression; names of points are those of data server `server`, or of any.
    ///
    /// # Errors
    /// 400 when it is none, or names what is not there.
    pub(crate) fn parse(text: &str, world: &World, server: Option<usize>) -> Result<Self, Refusal> {
        let wrong = |what: String| Refusal::bad(format!("The expression '{text}' cannot be evaluated: {what}."));
        let tokens = tokens(text).map_err(wrong)?;
        let mut parser = Parser { tokens: &tokens, at: 0, world, server, depth: 0 };
        let found = parser.level(0).map_err(wrong)?;
        if parser.at < tokens.len() {
            return Err(wrong("there is something behind its end".to_owned()));
        }
        Ok(found)
    }

    /// The points that it uses.
    pub(crate) fn points(&self, out: &mut Vec<usize>) {
        match self {
            Self::Number(_) | Self::Current => {}
            Self::Point(number) => out.push(*number),
            Self::Operation(_, left, right) => {
                left.points(out);
                right.points(out);
            }
            Self::Not(inner) | Self::Negative(inner) => inner.points(out),
            Self::Function(_, arguments) => arguments.iter().for_each(|argument| argument.points(out)),
            Self::If(parts) => parts.iter().for_each(|part| part.points(out)),
        }
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let end_of = |test: fn(char) -> bool| rest.find(|c: char| !test(c)).unwrap_or(rest.len());
        let length = if matches!(first, '\'' | '"') {
            let inner = rest.get(1..).unwrap_or_default();
            let end = inner.find(first).ok_or("a quote is not closed")?;
            out.push(Token::Quoted(inner.get(..end).unwrap_or_default().to_owned()));
            end + 2
        } else if first.is_ascii_digit() {
            let end = end_of(|c| c.is_ascii_digit() || c == '.');
            let number = rest.get(..end).unwrap_or_default();
            out.push(Token::Number(number.parse().map_err(|_| format!("'{number}' is no number"))?));
            end
        } else if first.is_alphabetic() {
            let end = end_of(char::is_alphanumeric);
            out.push(Token::Name(rest.get(..end).unwrap_or_default().to_lowercase()));
            end
        } else {
            let sign =
                SIGNS.iter().find(|sign| rest.starts_with(**sign)).ok_or_else(|| format!("'{first}' is unknown"))?;
            out.push(Token::Sign(sign));
            sign.len()
        };
        rest = rest.get(length..).unwrap_or_default().trim_start();
    }
    Ok(out)
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    world: &'a World,
    server: Option<usize>,
    depth: usize,
}

impl Parser<'_> {
    fn word(&self) -> &str {
        match self.tokens.get(self.at) {
            Some(Token::Sign(sign)) => sign,
            Some(Token::Name(name)) => name,
            _ => "",
        }
    }

    fn take(&mut self, word: &str) -> Result<(), String> {
        if self.word() != word {
            return Err(format!("'{word}' is missing"));
        }
        self.at += 1;
        Ok(())
    }

    fn level(&mut self, level: usize) -> Result<Expression, String> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.level(level + 1)?;
        while let Some((_, operator)) = operators.iter().find(|(word, _)| *word == self.word()) {
            self.at += 1;
            let right = self.level(level + 1)?;
            left = Expression::Operation(*operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > 100 {
            return Err("it is nested too deeply".to_owned());
        }
        let found = self.atom();
        self.depth -= 1;
        found
    }

    fn atom(&mut self) -> Result<Expression, String> {
        let token = self.tokens.get(self.at).cloned().ok_or("it ends too early")?;
        self.at += 1;
        match token {
            Token::Number(number) => Ok(Expression::Number(number)),
            Token::Quoted(name) if name == "." => Ok(Expression::Current),
            Token::Quoted(name) => self.point(&name),
            Token::Sign("-") => Ok(Expression::Negative(Box::new(self.unary()?))),
            Token::Sign("(") => {
                let inner = self.level(0)?;
                self.take(")")?;
                Ok(inner)
            }
            Token::Name(name) if name == "not" => Ok(Expression::Not(Box::new(self.unary()?))),
            Token::Name(name) if name == "if" => {
                let condition = self.level(0)?;
                self.take("then")?;
                let yes = self.level(0)?;
                self.take("else")?;
                Ok(Expression::If(Box::new([condition, yes, self.level(0)?])))
            }
            Token::Name(name) => self.function(&name),
            Token::Sign(sign) => Err(format!("'{sign}' is misplaced")),
        }
    }

    fn point(&self, name: &str) -> Result<Expression, String> {
        let path = match self.server.and_then(|server| self.world.servers.get(server)) {
            Some(server) if !name.starts_with('\\') => format!(r"\\{}\{name}", server.name),
            _ => name.to_owned(),
        };
        self.world.point_at(&path).map(Expression::Point).ok_or_else(|| format!("there is no point '{name}'"))
    }

    fn function(&mut self, name: &str) -> Result<Expression, String> {
        let (_, function, arity) =
            FUNCTIONS.iter().find(|(known, ..)| *known == name).ok_or_else(|| format!("'{name}' is unknown"))?;
        self.take("(")?;
        let mut arguments = vec![self.level(0)?];
        while self.word() == "," {
            self.at += 1;
            // A time argument, of which only now is understood.
            if *function == Function::TagVal && self.tokens.get(self.at) == Some(&Token::Quoted("*".to_owned())) {
                self.at += 1;
                continue;
            }
            arguments.push(self.level(0)?);
        }
        self.take(")")?;
        if arguments.len() != *arity {
            return Err(format!("'{name}' takes {arity} arguments"));
        }
        Ok(Expression::Function(*function, arguments))
    }
}
