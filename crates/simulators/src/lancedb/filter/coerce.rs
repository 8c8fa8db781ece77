//! Which types can be compared, and literals of the types that they are compared with.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, new_null_array},
    datatypes::{DataType, TimeUnit},
};

use super::{
    node::Node,
    resolve::{cast_strictly, mismatch},
};
use crate::lancedb::refusal::Refusal;

/// A literal of the type of a column; what does not fit without a loss or a guess is refused.
pub(super) fn fitted(value: &ArrayRef, wanted: &DataType, column: &str) -> Result<ArrayRef, Refusal> {
    let fits = match (value.data_type(), wanted) {
        (DataType::Null, _) => return Ok(new_null_array(wanted, 1)),
        (DataType::Int64 | DataType::UInt64, wanted) => {
            wanted.is_integer()
                || wanted.is_floating()
                || matches!(wanted, DataType::Decimal128(..) | DataType::Decimal256(..))
        }
        (DataType::Float64, wanted) => wanted.is_floating(),
        (DataType::Utf8, DataType::Utf8 | DataType::LargeUtf8) => true,
        (DataType::Boolean, DataType::Boolean) => true,
        (DataType::Binary, DataType::Binary | DataType::LargeBinary | DataType::FixedSizeBinary(_)) => true,
        _ => false,
    };
    let literal = || format!("{value:?}").split_whitespace().collect::<Vec<_>>().join(" ");
    let refused = || {
        Refusal::input(format!(
            "\"Error resolving filter expression on {column}: Invalid user input: Received literal {} and could not convert to \
             literal of type '{wanted}'\"",
            literal()
        ))
    };
    if !fits {
        return Err(refused());
    }
    cast_strictly(value, wanted).map_err(|_| refused())
}

/// Two operands of one type.
pub(super) fn pair(left: Node, right: Node) -> Result<(Node, Node), Refusal> {
    let (left, right) = (plain(left), plain(right));
    match (&left, &right) {
        (Node::Column(path, wanted), Node::Literal(value)) => {
            let value = fitted(value, wanted, path.last().map_or("", String::as_str))?;
            return Ok((left, Node::Literal(value)));
        }
        (Node::Cast(inner, wanted), Node::Literal(value)) if matches!(**inner, Node::Column(..)) => {
            let value = fitted(value, wanted, "expression")?;
            return Ok((left, Node::Literal(value)));
        }
        (Node::Literal(_), Node::Column(..)) => {
            let (right, left) = pair(right, left)?;
            return Ok((left, right));
        }
        _ => {}
    }
    let wanted = common(&left.data_type(), &right.data_type()).ok_or_else(|| mismatch(&left, &right))?;
    let cast = |node: Node| match node.data_type() == wanted {
        true => node,
        false => Node::Cast(node.boxed(), wanted.clone()),
    };
    Ok((cast(left), cast(right)))
}

/// The values of a dictionary in place of the dictionary.
fn plain(node: Node) -> Node {
    match node.data_type() {
        DataType::Dictionary(_, inner) => Node::Cast(node.boxed(), *inner),
        _ => node,
    }
}

/// The type that both can be had in; nothing when there is none.
pub(super) fn common(left: &DataType, right: &DataType) -> Option<DataType> {
    use DataType as T;
    if left == right {
        return Some(left.clone());
    }
    Some(match (left, right) {
        (T::Null, other) | (other, T::Null) => other.clone(),
        (T::Utf8 | T::LargeUtf8, T::Utf8 | T::LargeUtf8) => T::LargeUtf8,
        (T::Binary | T::LargeBinary | T::FixedSizeBinary(_), T::Binary | T::LargeBinary | T::FixedSizeBinary(_)) => {
            T::LargeBinary
        }
        (T::Decimal128(_, a), T::Decimal128(_, b)) => T::Decimal128(38, *a.max(b)),
        (decimal @ T::Decimal128(..), other) | (other, decimal @ T::Decimal128(..)) if other.is_integer() => {
            let T::Decimal128(_, scale) = decimal else { return None };
            T::Decimal128(38, *scale)
        }
        (a, b) if a.is_integer() && b.is_integer() => match (a, b) {
            (T::UInt64, _) | (_, T::UInt64) => T::Decimal128(38, 0),
            _ => T::Int64,
        },
        (a, b) if (a.is_floating() || b.is_floating()) && is_number(a) && is_number(b) => T::Float64,
        (a, b) if is_time(a) && is_time(b) => {
            let zone = [a, b].into_iter().any(|t| matches!(t, T::Timestamp(_, Some(_))));
            T::Timestamp(unit(a).max(unit(b)), zone.then(|| Arc::from("+00:00")))
        }
        _ => return None,
    })
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_integer() || data_type.is_floating() || matches!(data_type, DataType::Decimal128(..))
}

fn is_time(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..))
}

fn unit(data_type: &DataType) -> TimeUnit {
    match data_type {
        DataType::Timestamp(unit, _) => *unit,
        DataType::Date64 => TimeUnit::Millisecond,
        _ => TimeUnit::Second,
    }
}
