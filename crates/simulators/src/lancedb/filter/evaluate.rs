//! Steps over the rows of a whole fragment.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, Datum, UInt32Array, new_null_array},
    buffer::BooleanBuffer,
    compute::{
        and_kleene, cast, concat,
        kernels::{cmp, comparison, numeric},
        not, or_kleene, take,
    },
    datatypes::DataType,
};

use super::{
    functions,
    node::{Arithmetic, Comparison, Members, Node},
    resolve::cast_strictly,
};
use crate::lancedb::{refusal::Refusal, table::Part};

/// A value for each row, or one for all.
#[derive(Clone, Debug)]
pub(super) enum Values {
    Many(ArrayRef),
    One(ArrayRef),
}

impl Datum for Values {
    fn get(&self) -> (&dyn Array, bool) {
        match self {
            Self::Many(array) => (array.as_ref(), false),
            Self::One(array) => (array.as_ref(), true),
        }
    }
}

impl Values {
    fn of(array: ArrayRef, operands: &[&Self]) -> Self {
        if operands.iter().all(|operand| matches!(operand, Self::One(_))) {
            Self::One(array)
        } else {
            Self::Many(array)
        }
    }

    pub(super) fn array(&self) -> &ArrayRef {
        match self {
            Self::Many(array) | Self::One(array) => array,
        }
    }

    /// A value for each of the rows.
    pub(super) fn spread(&self, rows: usize) -> Result<ArrayRef, Refusal> {
        match self {
            Self::Many(array) => Ok(Arc::clone(array)),
            Self::One(array) => take(array, &UInt32Array::from_value(0, rows), None).map_err(failed),
        }
    }
}

pub(super) fn failed(error: impl std::fmt::Display) -> Refusal {
    Refusal::failed(format!(
        "Failed to execute query: Execution {{ message: \"Error applying filter expression to batch: Arrow error: {error}\" }}"
    ))
}

/// An integer of any width.
pub(super) fn integer_at(value: &ArrayRef) -> Result<i128, Refusal> {
    let wide = cast_strictly(value, &DataType::Decimal128(38, 0))?;
    Ok(wide.as_primitive::<arrow::datatypes::Decimal128Type>().value(0))
}

pub(super) fn mask(node: &Node, part: &Part, before: u64) -> Result<BooleanArray, Refusal> {
    let mask = Rows { part, before }.values(node)?.spread(part.len())?;
    mask.as_boolean_opt().cloned().ok_or_else(|| failed("the filter is no condition"))
}

pub(super) fn array(node: &Node, part: &Part, before: u64) -> Result<ArrayRef, Refusal> {
    Rows { part, before }.values(node)?.spread(part.len())
}

struct Rows<'a> {
    part: &'a Part,
    before: u64,
}

impl Rows<'_> {
    fn values(&self, node: &Node) -> Result<Values, Refusal> {
        Ok(match node {
            Node::Column(path, _) => Values::Many(self.column(path)?),
            Node::Literal(value) | Node::Typed(value) => Values::One(Arc::clone(value)),
            Node::Compare(comparison, left, right) => {
                let (left, right) = (self.values(left)?, self.values(right)?);
                let answer = match comparison {
                    Comparison::Equal => cmp::eq(&left, &right),
                    Comparison::NotEqual => cmp::neq(&left, &right),
                    Comparison::Less => cmp::lt(&left, &right),
                    Comparison::AtMost => cmp::lt_eq(&left, &right),
                    Comparison::More => cmp::gt(&left, &right),
                    Comparison::AtLeast => cmp::gt_eq(&left, &right),
                    Comparison::Distinct => cmp::distinct(&left, &right),
                    Comparison::NotDistinct => cmp::not_distinct(&left, &right),
                };
                Values::of(Arc::new(answer.map_err(failed)?), &[&left, &right])
            }
            Node::All(operands) => self.connected(operands, and_kleene)?,
            Node::Any(operands) => self.connected(operands, or_kleene)?,
            Node::Not(inner) => {
                let inner = self.values(inner)?;
                let answer = not(inner.array().as_boolean()).map_err(failed)?;
                Values::of(Arc::new(answer), &[&inner])
            }
            Node::IsNull(inner) => {
                let inner = self.values(inner)?;
                let nulls = inner.array().logical_nulls();
                let nulls = nulls.map_or_else(|| BooleanBuffer::new_unset(inner.array().len()), |nulls| !nulls.inner());
                Values::of(Arc::new(BooleanArray::new(nulls, None)), &[&inner])
            }
            Node::Is(inner, wanted) => {
                let inner = self.values(inner)?;
                let answer: BooleanArray =
                    inner.array().as_boolean().iter().map(|value| Some(value == Some(*wanted))).collect();
                Values::of(Arc::new(answer), &[&inner])
            }
            Node::In(value, members, has_null) => {
                let value = self.values(value)?;
                let found = is_in(value.array(), members)?;
                let answer: BooleanArray =
                    found.into_iter().map(|found| found.filter(|found| *found || !has_null)).collect();
                Values::of(Arc::new(answer), &[&value])
            }
            Node::Like { value, pattern, any_case } => {
                let (value, pattern) = (self.values(value)?, self.values(pattern)?);
                let answer = match any_case {
                    true => comparison::ilike(&value, &pattern),
                    false => comparison::like(&value, &pattern),
                };
                Values::of(Arc::new(answer.map_err(failed)?), &[&value, &pattern])
            }
            Node::Arithmetic(arithmetic, left, right) => {
                let (left, right) = (self.values(left)?, self.values(right)?);
                let answer = match arithmetic {
                    Arithmetic::Add => numeric::add_wrapping(&left, &right),
                    Arithmetic::Subtract => numeric::sub_wrapping(&left, &right),
                    Arithmetic::Multiply => numeric::mul_wrapping(&left, &right),
                    Arithmetic::Divide => numeric::div(&left, &right),
                    Arithmetic::Remainder => numeric::rem(&left, &right),
                };
                Values::of(answer.map_err(failed)?, &[&left, &right])
            }
            Node::Negative(inner) => {
                let inner = self.values(inner)?;
                Values::of(numeric::neg_wrapping(inner.array()).map_err(failed)?, &[&inner])
            }
            Node::Joined(left, right) => {
                let (left, right) =
                    (self.values(left)?.spread(self.part.len())?, self.values(right)?.spread(self.part.len())?);
                Values::Many(Arc::new(functions::joined(&left, &right)))
            }
            Node::Cast(inner, wanted) => {
                let inner = self.values(inner)?;
                let array = inner.array();
                let answer = match array.data_type() {
                    DataType::Null => new_null_array(wanted, array.len()),
                    DataType::Dictionary(..) => cast(array, wanted).map_err(failed)?,
                    _ => cast_strictly(array, wanted).map_err(|refusal| failed(refusal.message()))?,
                };
                Values::of(answer, &[&inner])
            }
            Node::List(items) => {
                let items = items.iter().map(|item| self.values(item)).collect::<Result<Vec<_>, _>>()?;
                let items: Vec<&dyn Array> = items.iter().map(|item| item.array().as_ref()).collect();
                Values::One(concat(&items).map_err(failed)?)
            }
            Node::Call(function, arguments) => {
                let arguments =
                    arguments.iter().map(|argument| self.values(argument)).collect::<Result<Vec<_>, _>>()?;
                function.values(&arguments, self.part.len())?
            }
        })
    }

    fn connected(
        &self,
        operands: &[Node],
        both: fn(&BooleanArray, &BooleanArray) -> Result<BooleanArray, arrow::error::ArrowError>,
    ) -> Result<Values, Refusal> {
        let rows = self.part.len();
        let mut all: Option<BooleanArray> = None;
        for operand in operands {
            let next = self.values(operand)?.spread(rows)?;
            let next = next.as_boolean();
            all = Some(match all {
                Some(all) => both(&all, next).map_err(failed)?,
                None => next.clone(),
            });
        }
        all.map(|all| Values::Many(Arc::new(all))).ok_or_else(|| failed("no operands"))
    }

    fn column(&self, path: &[String]) -> Result<ArrayRef, Refusal> {
        let missing = || failed("a column is gone");
        let (first, members) = path.split_first().ok_or_else(missing)?;
        let own = self.part.batch().column_by_name(first).cloned();
        let mut column = own.or_else(|| self.part.virtual_column(first, self.before)).ok_or_else(missing)?;
        for member in members {
            let outer = column.as_struct_opt().ok_or_else(missing)?;
            let inner = outer.column_by_name(member).ok_or_else(missing)?;
            // A member of no struct is no value.
            column = match outer.nulls() {
                Some(valid) => {
                    let valid = BooleanArray::new(valid.inner().clone(), None);
                    arrow::compute::nullif(inner, &not(&valid).map_err(failed)?).map_err(failed)?
                }
                None => Arc::clone(inner),
            };
        }
        Ok(column)
    }
}

/// Whether each value is a member; null for null.
fn is_in(values: &ArrayRef, members: &Members) -> Result<Vec<Option<bool>>, Refusal> {
    Ok(match members {
        Members::Texts(members) => {
            values.as_string::<i32>().iter().map(|value| value.map(|value| members.contains(value))).collect()
        }
        Members::Integers(members) => {
            let wide = cast(values, &DataType::Decimal128(38, 0)).map_err(failed)?;
            let wide = wide.as_primitive::<arrow::datatypes::Decimal128Type>();
            wide.iter().map(|value| value.map(|value| members.contains(&value))).collect()
        }
        Members::Others(members) => {
            let mut found: Vec<Option<bool>> =
                (0..values.len()).map(|row| values.is_valid(row).then_some(false)).collect();
            for at in 0..members.len() {
                let same = cmp::eq(values, &arrow::array::Scalar::new(members.slice(at, 1))).map_err(failed)?;
                for (found, same) in found.iter_mut().zip(same.iter()) {
                    if same == Some(true) {
                        *found = Some(true);
                    }
                }
            }
            found
        }
    })
}
