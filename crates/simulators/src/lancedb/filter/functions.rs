//! Functions in conditions and values.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, Int32Array, StringArray},
    compute::{
        is_not_null,
        kernels::{cmp, comparison::regexp_is_match, zip::zip},
    },
    datatypes::{DataType, Float64Type, Int64Type},
};

use super::{
    coerce::{common, fitted},
    evaluate::{Values, failed},
    node::Node,
};
use crate::lancedb::refusal::Refusal;

/// Functions that the simulated server knows; the real one knows more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Lower,
    Upper,
    Length,
    StartsWith,
    EndsWith,
    Contains,
    Matches,
    HasItem,
    HasAny,
    HasAll,
    Coalesce,
    Abs,
    IsNan,
}

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "lower" => Self::Lower,
            "upper" => Self::Upper,
            "length" | "char_length" | "character_length" => Self::Length,
            "starts_with" => Self::StartsWith,
            "ends_with" => Self::EndsWith,
            "contains" => Self::Contains,
            "regexp_match" | "regexp_like" => Self::Matches,
            "array_has" | "array_contains" | "list_has" | "list_contains" => Self::HasItem,
            "array_has_any" | "list_has_any" => Self::HasAny,
            "array_has_all" | "list_has_all" => Self::HasAll,
            "coalesce" => Self::Coalesce,
            "abs" => Self::Abs,
            "isnan" => Self::IsNan,
            _ => return None,
        })
    }

    /// The function with arguments that it takes.
    pub(super) fn call(self, mut arguments: Vec<Node>) -> Result<Node, Refusal> {
        let types: Vec<DataType> = arguments.iter().map(Node::data_type).collect();
        let refused = || {
            Refusal::input(format!("\"Error during planning: Failed to coerce arguments {types:?} to satisfy a call\""))
        };
        let as_text = |node: Node| Node::Cast(node.boxed(), DataType::Utf8);
        let is_text = |data_type: &DataType| {
            matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Null)
                || matches!(data_type, DataType::Dictionary(_, inner) if **inner == DataType::Utf8)
        };
        match (self, types.as_slice()) {
            (Self::Lower | Self::Upper | Self::Length, [one]) if is_text(one) => {
                arguments = arguments.into_iter().map(as_text).collect();
            }
            (Self::StartsWith | Self::EndsWith | Self::Contains | Self::Matches, [one, two])
                if is_text(one) && is_text(two) =>
            {
                arguments = arguments.into_iter().map(as_text).collect();
            }
            (Self::HasItem, [DataType::List(item), _]) => {
                if let Some(Node::Literal(value)) = arguments.get(1) {
                    let value = fitted(value, item.data_type(), "array_has")?;
                    arguments.pop();
                    arguments.push(Node::Literal(value));
                }
            }
            (Self::HasAny | Self::HasAll, [DataType::List(item), DataType::List(other)]) => {
                let Some(Node::List(_)) = arguments.get(1) else { return Err(refused()) };
                if common(item.data_type(), other.data_type()).is_none() {
                    return Err(refused());
                }
                let other = arguments.pop().ok_or_else(refused)?;
                arguments.push(Node::Cast(other.boxed(), item.data_type().clone()));
            }
            (Self::Coalesce, [first, rest @ ..]) => {
                let wanted = rest.iter().try_fold(first.clone(), |all, next| common(&all, next)).ok_or_else(refused)?;
                arguments = arguments.into_iter().map(|node| Node::Cast(node.boxed(), wanted.clone())).collect();
            }
            (Self::Abs, [one]) if one.is_integer() => {
                arguments = arguments.into_iter().map(|node| Node::Cast(node.boxed(), DataType::Int64)).collect();
            }
            (Self::Abs | Self::IsNan, [one]) if one.is_floating() => {
                arguments = arguments.into_iter().map(|node| Node::Cast(node.boxed(), DataType::Float64)).collect();
            }
            _ => return Err(refused()),
        }
        Ok(Node::Call(self, arguments))
    }

    pub(super) fn data_type(self, arguments: &[Node]) -> DataType {
        match self {
            Self::Lower | Self::Upper => DataType::Utf8,
            Self::Length => DataType::Int32,
            Self::Coalesce | Self::Abs => arguments.first().map_or(DataType::Null, Node::data_type),
            _ => DataType::Boolean,
        }
    }

    pub(super) fn values(self, arguments: &[Values], rows: usize) -> Result<Values, Refusal> {
        let [first, rest @ ..] = arguments else { return Err(failed("a function without arguments")) };
        let second = rest.first();
        let array = first.spread(rows)?;
        Ok(Values::Many(match (self, second) {
            (Self::Lower, _) => Arc::new(texts(&array, str::to_lowercase)),
            (Self::Upper, _) => Arc::new(texts(&array, str::to_uppercase)),
            (Self::Length, _) => {
                let length = |text: &str| i32::try_from(text.chars().count()).unwrap_or(i32::MAX);
                Arc::new(array.as_string::<i32>().iter().map(|text| text.map(length)).collect::<Int32Array>())
            }
            (Self::StartsWith, Some(other)) => {
                text_test(&array, &other.spread(rows)?, |text, other| text.starts_with(other))
            }
            (Self::EndsWith, Some(other)) => {
                text_test(&array, &other.spread(rows)?, |text, other| text.ends_with(other))
            }
            (Self::Contains, Some(other)) => {
                text_test(&array, &other.spread(rows)?, |text, other| text.contains(other))
            }
            (Self::Matches, Some(pattern)) => {
                let (array, pattern) = (array.as_string::<i32>().clone(), pattern.spread(rows)?);
                let flags: Option<&StringArray> = None;
                Arc::new(regexp_is_match(&array, pattern.as_string::<i32>(), flags).map_err(failed)?)
            }
            (Self::HasItem, Some(item)) => {
                let item = item.spread(rows)?;
                list_test(&array, |row, items| {
                    if item.is_null(row) {
                        return Ok(None);
                    }
                    is_among(items, &item.slice(row, 1)).map(Some)
                })?
            }
            (Self::HasAny | Self::HasAll, Some(wanted)) => {
                let wanted = wanted.array();
                list_test(&array, |_, items| {
                    let mut found = (0..wanted.len()).map(|at| is_among(items, &wanted.slice(at, 1)));
                    let answer = match self {
                        Self::HasAny => found.try_fold(false, |any, next| next.map(|next| any || next)),
                        _ => found.try_fold(true, |all, next| next.map(|next| all && next)),
                    };
                    answer.map(Some)
                })?
            }
            (Self::Coalesce, _) => {
                let mut all = array;
                for next in rest {
                    let next = next.spread(rows)?;
                    all = zip(&is_not_null(&all).map_err(failed)?, &all, &next).map_err(failed)?;
                }
                all
            }
            (Self::Abs, _) => match array.as_primitive_opt::<Int64Type>() {
                Some(numbers) => Arc::new(numbers.unary::<_, Int64Type>(i64::wrapping_abs)),
                None => Arc::new(array.as_primitive::<Float64Type>().unary::<_, Float64Type>(f64::abs)),
            },
            (Self::IsNan, _) => {
                let numbers = array.as_primitive::<Float64Type>();
                Arc::new(numbers.iter().map(|number| number.map(f64::is_nan)).collect::<BooleanArray>())
            }
            _ => return Err(failed("a function without its second argument")),
        }))
    }
}

/// Two texts, one after the other; null when one is null.
pub(super) fn joined(left: &ArrayRef, right: &ArrayRef) -> StringArray {
    let pairs = left.as_string::<i32>().iter().zip(right.as_string::<i32>());
    pairs.map(|(left, right)| Some(format!("{}{}", left?, right?))).collect()
}

fn texts(array: &ArrayRef, change: impl Fn(&str) -> String) -> StringArray {
    array.as_string::<i32>().iter().map(|text| text.map(&change)).collect()
}

fn text_test(array: &ArrayRef, other: &ArrayRef, test: impl Fn(&str, &str) -> bool) -> ArrayRef {
    let pairs = array.as_string::<i32>().iter().zip(other.as_string::<i32>());
    Arc::new(pairs.map(|(text, other)| Some(test(text?, other?))).collect::<BooleanArray>())
}

fn list_test(
    lists: &ArrayRef,
    test: impl Fn(usize, &ArrayRef) -> Result<Option<bool>, Refusal>,
) -> Result<ArrayRef, Refusal> {
    let lists = lists.as_list::<i32>();
    let one = |row: usize| if lists.is_null(row) { Ok(None) } else { test(row, &lists.value(row)) };
    let answers = (0..lists.len()).map(one).collect::<Result<BooleanArray, _>>()?;
    Ok(Arc::new(answers))
}

fn is_among(items: &ArrayRef, wanted: &ArrayRef) -> Result<bool, Refusal> {
    Ok(cmp::eq(items, &arrow::array::Scalar::new(Arc::clone(wanted))).map_err(failed)?.true_count() > 0)
}
