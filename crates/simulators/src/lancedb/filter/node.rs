//! A condition or value whose columns are found and whose types fit.

use std::collections::HashSet;

use arrow::{
    array::{ArrayRef, BooleanArray},
    datatypes::{DataType, Schema},
};

use super::{evaluate, functions::Function, parse, resolve};
use crate::lancedb::{refusal::Refusal, table::Part};

/// A condition or value over the columns of one schema.
#[derive(Debug)]
pub(crate) struct Expression {
    node: Node,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    AtMost,
    More,
    AtLeast,
    Distinct,
    NotDistinct,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// One step; the operands of each are of the types that it takes.
#[derive(Debug)]
pub(super) enum Node {
    /// A column or a member of a struct, by its exact path.
    Column(Vec<String>, DataType),
    /// One value.
    Literal(ArrayRef),
    /// One value of a type that was written down, as in `date '2026-01-31'`.
    Typed(ArrayRef),
    Compare(Comparison, Box<Node>, Box<Node>),
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    IsNull(Box<Node>),
    /// Whether a condition is this, and never null.
    Is(Box<Node>, bool),
    /// Whether a value is one of these; the flag tells that null is among them.
    In(Box<Node>, Members, bool),
    Like {
        value: Box<Node>,
        pattern: Box<Node>,
        any_case: bool,
    },
    Arithmetic(Arithmetic, Box<Node>, Box<Node>),
    Negative(Box<Node>),
    Joined(Box<Node>, Box<Node>),
    Cast(Box<Node>, DataType),
    List(Vec<Node>),
    Call(Function, Vec<Node>),
}

/// The members of a list.
#[derive(Debug)]
pub(super) enum Members {
    Integers(HashSet<i128>),
    Texts(HashSet<String>),
    Others(ArrayRef),
}

impl Node {
    pub(super) fn data_type(&self) -> DataType {
        match self {
            Self::Column(_, data_type) | Self::Cast(_, data_type) => data_type.clone(),
            Self::Literal(value) | Self::Typed(value) => value.data_type().clone(),
            Self::Compare(..)
            | Self::All(_)
            | Self::Any(_)
            | Self::Not(_)
            | Self::IsNull(_)
            | Self::Is(..)
            | Self::In(..)
            | Self::Like { .. } => DataType::Boolean,
            Self::Arithmetic(_, left, _) | Self::Negative(left) => left.data_type(),
            Self::Joined(..) => DataType::Utf8,
            Self::List(items) => DataType::new_list(items.first().map_or(DataType::Null, Node::data_type), true),
            Self::Call(function, arguments) => function.data_type(arguments),
        }
    }

    pub(super) fn boxed(self) -> Box<Self> {
        Box::new(self)
    }
}

impl Expression {
    /// A condition over the columns of a table and those that every table has.
    ///
    /// # Errors
    /// What the query engine says about text that is no condition over these columns.
    pub(crate) fn condition(text: &str, schema: &Schema) -> Result<Self, Refusal> {
        let node = resolve::resolve(&parse::condition(text)?, schema)?;
        match node.data_type() {
            DataType::Boolean => Ok(Self { node }),
            _ => Err(Refusal::input(format!("\"The filter {text} does not return a boolean\""))),
        }
    }

    /// A value computed from the columns of a table.
    ///
    /// # Errors
    /// What the query engine says about text that is no value over these columns.
    pub(crate) fn value(text: &str, schema: &Schema) -> Result<Self, Refusal> {
        Ok(Self { node: resolve::resolve(&parse::value(text)?, schema)? })
    }

    /// A column by its exact path.
    pub(crate) fn column(path: Vec<String>, data_type: DataType) -> Self {
        Self { node: Node::Column(path, data_type) }
    }

    pub(crate) fn data_type(&self) -> DataType {
        self.node.data_type()
    }

    /// Which rows of a whole fragment fulfil the condition; `before` is the number of live rows of fragments before it.
    ///
    /// # Errors
    /// What the query engine says about values that cannot be computed.
    pub(crate) fn mask(&self, part: &Part, before: u64) -> Result<BooleanArray, Refusal> {
        evaluate::mask(&self.node, part, before)
    }

    /// The value for each row of a whole fragment.
    ///
    /// # Errors
    /// As for [`mask`](Self::mask).
    pub(crate) fn array(&self, part: &Part, before: u64) -> Result<ArrayRef, Refusal> {
        evaluate::array(&self.node, part, before)
    }
}
