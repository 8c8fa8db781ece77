//! Syntax to steps: names become columns, literals get the types of what they are compared with.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Float64Array, Int64Array, NullArray, StringArray,
        UInt64Array, new_null_array,
    },
    compute::{CastOptions, cast_with_options, concat},
    datatypes::{DataType, Schema, TimeUnit},
};
use sqlparser::ast::{
    BinaryOperator, DataType as SqlType, ExactNumberInfo, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
    TimezoneInfo, UnaryOperator, Value,
};

use super::{
    coerce::{common, fitted, pair},
    functions::Function,
    node::{Arithmetic, Comparison, Members, Node},
};
use crate::lancedb::{refusal::Refusal, table::VIRTUAL_COLUMNS};

type Resolved = Result<Node, Refusal>;

fn unsupported(expr: &Expr) -> Refusal {
    Refusal::input(format!("\"Expression '{expr}' is not supported SQL in lance\""))
}

/// Finds the columns of an expression and fits its types.
pub(super) fn resolve(expr: &Expr, schema: &Schema) -> Resolved {
    if schema.fields().iter().any(|field| field.name().contains('`')) {
        return Err(Refusal::input("\"Error parsing column names: a name has an unescaped backtick\""));
    }
    Resolver { schema }.node(expr)
}

struct Resolver<'a> {
    schema: &'a Schema,
}

impl Resolver<'_> {
    fn node(&self, expr: &Expr) -> Resolved {
        match expr {
            Expr::Identifier(name) => self.column(std::slice::from_ref(name)),
            Expr::CompoundIdentifier(path) => self.column(path),
            Expr::Nested(inner) => self.node(inner),
            Expr::Value(value) => literal(&value.value).ok_or_else(|| unsupported(expr)),
            Expr::TypedString(typed) => {
                let Some(Value::SingleQuotedString(text)) = Some(&typed.value.value) else {
                    return Err(unsupported(expr));
                };
                Ok(Node::Typed(typed_value(&typed.data_type, text, expr)?))
            }
            Expr::IsNull(inner) => Ok(Node::IsNull(self.boxed(inner)?)),
            Expr::IsNotNull(inner) => Ok(Node::Not(Node::IsNull(self.boxed(inner)?).boxed())),
            Expr::IsTrue(inner) => Ok(Node::Is(self.condition(inner)?.boxed(), true)),
            Expr::IsFalse(inner) => Ok(Node::Is(self.condition(inner)?.boxed(), false)),
            Expr::IsNotTrue(inner) => Ok(Node::Not(Node::Is(self.condition(inner)?.boxed(), true).boxed())),
            Expr::IsNotFalse(inner) => Ok(Node::Not(Node::Is(self.condition(inner)?.boxed(), false).boxed())),
            Expr::IsDistinctFrom(left, right) => self.compare(Comparison::Distinct, left, right),
            Expr::IsNotDistinctFrom(left, right) => self.compare(Comparison::NotDistinct, left, right),
            Expr::InList { expr: value, list, negated } => self.members(value, list, *negated),
            Expr::Between { expr: value, negated, low, high } => {
                let inside = Node::All(vec![
                    self.compare(Comparison::AtLeast, value, low)?,
                    self.compare(Comparison::AtMost, value, high)?,
                ]);
                Ok(negate_if(*negated, inside))
            }
            Expr::Like { negated, any: false, expr: value, pattern, escape_char: None } => {
                Ok(negate_if(*negated, self.like(value, pattern, false)?))
            }
            Expr::ILike { negated, any: false, expr: value, pattern, escape_char: None } => {
                Ok(negate_if(*negated, self.like(value, pattern, true)?))
            }
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => Ok(Node::Not(self.condition(expr)?.boxed())),
            Expr::UnaryOp { op: UnaryOperator::Plus, expr } => self.node(expr),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => self.negative(expr),
            Expr::BinaryOp { op: BinaryOperator::And | BinaryOperator::Or, .. } => self.connected(expr),
            Expr::BinaryOp { left, op, right } => self.operation(op, left, right),
            Expr::Cast { expr: inner, data_type, .. } => {
                let data_type = sql_type(data_type).ok_or_else(|| unsupported(expr))?;
                Ok(Node::Cast(self.boxed(inner)?, data_type))
            }
            Expr::Array(array) => {
                let items = array.elem.iter().map(|item| self.node(item)).collect::<Result<Vec<_>, _>>()?;
                Ok(Node::List(items))
            }
            Expr::Function(call) => {
                let name = call.name.to_string().to_lowercase();
                let function = Function::named(&name).ok_or_else(|| {
                    Refusal::input(format!(
                        "\"Error parsing function: Error during planning: Invalid function '{name}'\""
                    ))
                })?;
                let FunctionArguments::List(list) = &call.args else { return Err(unsupported(expr)) };
                let argument = |argument: &FunctionArg| match argument {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => self.node(expr),
                    _ => Err(unsupported(expr)),
                };
                let arguments = list.args.iter().map(argument).collect::<Result<Vec<_>, _>>()?;
                function.call(arguments)
            }
            _ => Err(unsupported(expr)),
        }
    }

    fn boxed(&self, expr: &Expr) -> Result<Box<Node>, Refusal> {
        self.node(expr).map(Node::boxed)
    }

    fn condition(&self, expr: &Expr) -> Resolved {
        let node = self.node(expr)?;
        match (node.data_type(), &node) {
            (DataType::Boolean, _) => Ok(node),
            (DataType::Null, Node::Literal(_)) => Ok(Node::Literal(new_null_array(&DataType::Boolean, 1))),
            (other, _) => Err(Refusal::input(format!(
                "Plan(\"Cannot infer common argument type for logical boolean operation Boolean AND {other}\")"
            ))),
        }
    }

    /// The operands of a chain of AND or OR, which may be long.
    fn connected(&self, expr: &Expr) -> Resolved {
        let Expr::BinaryOp { op: wanted, .. } = expr else { return self.node(expr) };
        let (mut operands, mut next) = (Vec::new(), expr);
        while let Expr::BinaryOp { left, op, right } = next
            && op == wanted
        {
            operands.push(self.condition(right)?);
            next = left;
        }
        operands.push(self.condition(next)?);
        operands.reverse();
        Ok(if *wanted == BinaryOperator::And { Node::All(operands) } else { Node::Any(operands) })
    }

    fn negative(&self, expr: &Expr) -> Resolved {
        // A minus belongs to its number: only so the smallest one can be told from one out of range.
        if let Expr::Value(value) = expr
            && let Value::Number(text, _) = &value.value
        {
            return Ok(Node::Literal(number(&format!("-{text}"))));
        }
        Ok(Node::Negative(self.boxed(expr)?))
    }

    fn operation(&self, op: &BinaryOperator, left: &Expr, right: &Expr) -> Resolved {
        let comparison = match op {
            BinaryOperator::Eq => Comparison::Equal,
            BinaryOperator::NotEq => Comparison::NotEqual,
            BinaryOperator::Lt => Comparison::Less,
            BinaryOperator::LtEq => Comparison::AtMost,
            BinaryOperator::Gt => Comparison::More,
            BinaryOperator::GtEq => Comparison::AtLeast,
            BinaryOperator::StringConcat => {
                return Ok(Node::Joined(self.text(left)?.boxed(), self.text(right)?.boxed()));
            }
            _ => {
                let arithmetic = match op {
                    BinaryOperator::Plus => Arithmetic::Add,
                    BinaryOperator::Minus => Arithmetic::Subtract,
                    BinaryOperator::Multiply => Arithmetic::Multiply,
                    BinaryOperator::Divide => Arithmetic::Divide,
                    BinaryOperator::Modulo => Arithmetic::Remainder,
                    _ => return Err(Refusal::input(format!("\"Operator {op} is not supported\""))),
                };
                let (left, right) = (self.node(left)?, self.node(right)?);
                let wanted = common(&left.data_type(), &right.data_type())
                    .filter(DataType::is_numeric)
                    .ok_or_else(|| mismatch(&left, &right))?;
                let cast = |node: Node| Node::Cast(node.boxed(), wanted.clone()).boxed();
                return Ok(Node::Arithmetic(arithmetic, cast(left), cast(right)));
            }
        };
        self.compare(comparison, left, right)
    }

    fn text(&self, expr: &Expr) -> Resolved {
        Ok(Node::Cast(self.boxed(expr)?, DataType::Utf8))
    }

    fn compare(&self, comparison: Comparison, left: &Expr, right: &Expr) -> Resolved {
        let (left, right) = pair(self.node(left)?, self.node(right)?)?;
        Ok(Node::Compare(comparison, left.boxed(), right.boxed()))
    }

    fn like(&self, value: &Expr, pattern: &Expr, any_case: bool) -> Resolved {
        let (value, pattern) = pair(self.node(value)?, self.node(pattern)?)?;
        match value.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 => {
                Ok(Node::Like { value: value.boxed(), pattern: pattern.boxed(), any_case })
            }
            _ => Err(mismatch(&value, &pattern)),
        }
    }

    fn members(&self, value: &Expr, list: &[Expr], negated: bool) -> Resolved {
        let mut value = self.node(value)?;
        if let DataType::Dictionary(_, inner) = value.data_type() {
            value = Node::Cast(value.boxed(), *inner);
        }
        let wanted = value.data_type();
        let mut items = Vec::with_capacity(list.len());
        let mut has_null = false;
        for item in list {
            match self.node(item)? {
                Node::Literal(item) if item.data_type() == &DataType::Null => has_null = true,
                Node::Literal(item) => items.push(fitted(&item, &wanted, value_name(&value))?),
                Node::Typed(item) => items.push(cast_strictly(&item, &wanted)?),
                _ => return Err(unsupported(item)),
            }
        }
        let members = match &wanted {
            DataType::Utf8 => {
                Members::Texts(items.iter().map(|item| item.as_string::<i32>().value(0).to_owned()).collect())
            }
            wanted if wanted.is_integer() => {
                let items = items.iter().map(super::evaluate::integer_at).collect::<Result<_, _>>()?;
                Members::Integers(items)
            }
            wanted if items.is_empty() => Members::Others(new_null_array(wanted, 0)),
            _ => {
                let items: Vec<&dyn Array> = items.iter().map(AsRef::as_ref).collect();
                Members::Others(concat(&items).map_err(Refusal::input)?)
            }
        };
        Ok(negate_if(negated, Node::In(value.boxed(), members, has_null)))
    }

    /// A column by name, of any case when there is none of the exact one, and members of structs below it.
    fn column(&self, path: &[Ident]) -> Resolved {
        let Some((first, members)) = path.split_first() else { return Err(Refusal::input("\"no column\"")) };
        let fields = self.schema.fields();
        let exact = fields.iter().find(|field| field.name() == &first.value);
        let found = exact.or_else(|| fields.iter().find(|field| field.name().eq_ignore_ascii_case(&first.value)));
        let Some(field) = found else {
            let virtual_column = VIRTUAL_COLUMNS.iter().find(|name| name.eq_ignore_ascii_case(&first.value));
            return match virtual_column.filter(|_| members.is_empty()) {
                Some(name) => Ok(Node::Column(vec![(*name).to_owned()], DataType::UInt64)),
                None => Err(self.unknown(&first.value)),
            };
        };
        let (mut names, mut data_type) = (vec![field.name().clone()], field.data_type());
        for member in members {
            let DataType::Struct(fields) = data_type else { return Err(self.unknown(&member.value)) };
            let exact = fields.iter().find(|field| field.name() == &member.value);
            let found = exact.or_else(|| fields.iter().find(|field| field.name().eq_ignore_ascii_case(&member.value)));
            let field = found.ok_or_else(|| self.unknown(&member.value))?;
            names.push(field.name().clone());
            data_type = field.data_type();
        }
        Ok(Node::Column(names, data_type.clone()))
    }

    fn unknown(&self, name: &str) -> Refusal {
        let column = |name: &str| format!("Column {{ relation: None, name: \"{name}\" }}");
        let own = self.schema.fields().iter().map(|field| field.name().as_str());
        let valid: Vec<String> = own.chain(VIRTUAL_COLUMNS).map(column).collect();
        let (field, valid) = (column(name), valid.join(", "));
        Refusal::input(format!("SchemaError(FieldNotFound {{ field: {field}, valid_fields: [{valid}] }}, Some(\"\"))"))
    }
}

/// What a value is called in errors.
fn value_name(node: &Node) -> &str {
    match node {
        Node::Column(path, _) => path.last().map_or("", String::as_str),
        _ => "expression",
    }
}

pub(super) fn mismatch(left: &Node, right: &Node) -> Refusal {
    Refusal::input(format!(
        "Plan(\"Cannot infer common argument type for comparison operation {} and {}\")",
        left.data_type(),
        right.data_type()
    ))
}

fn negate_if(negated: bool, node: Node) -> Node {
    if negated { Node::Not(node.boxed()) } else { node }
}

/// Casts a value, and refuses one that does not fit.
pub(super) fn cast_strictly(value: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, Refusal> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(value, wanted, &options).map_err(|error| Refusal::input(format!("\"{error}\"")))
}

fn number(text: &str) -> ArrayRef {
    if let Ok(value) = text.parse::<i64>().and_then(|value| if value == i64::MIN { "".parse() } else { Ok(value) }) {
        return Arc::new(Int64Array::from(vec![value]));
    }
    match text.parse::<u64>() {
        Ok(value) => Arc::new(UInt64Array::from(vec![value])),
        Err(_) => Arc::new(Float64Array::from(vec![text.parse::<f64>().unwrap_or(f64::NAN)])),
    }
}

fn literal(value: &Value) -> Option<Node> {
    Some(Node::Literal(match value {
        Value::Number(text, _) => number(text),
        Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => {
            Arc::new(StringArray::from(vec![text.as_str()]))
        }
        Value::HexStringLiteral(text) => Arc::new(BinaryArray::from(vec![hex(text)?.as_slice()])),
        Value::Boolean(value) => Arc::new(BooleanArray::from(vec![*value])),
        Value::Null => Arc::new(NullArray::new(1)),
        _ => return None,
    }))
}

fn hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

fn typed_value(data_type: &SqlType, text: &str, expr: &Expr) -> Result<ArrayRef, Refusal> {
    let text_array: ArrayRef = Arc::new(StringArray::from(vec![text]));
    let wanted = match (sql_type(data_type).ok_or_else(|| unsupported(expr))?, text.split_once('.')) {
        (DataType::Timestamp(..), fraction) if fraction.is_none_or(|(_, digits)| digits.len() <= 6) => {
            DataType::Timestamp(TimeUnit::Microsecond, None)
        }
        (wanted, _) => wanted,
    };
    cast_strictly(&text_array, &wanted)
}

fn sql_type(data_type: &SqlType) -> Option<DataType> {
    Some(match data_type {
        SqlType::Boolean => DataType::Boolean,
        SqlType::TinyInt(_) => DataType::Int8,
        SqlType::SmallInt(_) => DataType::Int16,
        SqlType::Int(_) | SqlType::Integer(_) => DataType::Int32,
        SqlType::BigInt(_) => DataType::Int64,
        SqlType::Float(_) | SqlType::Real => DataType::Float32,
        SqlType::Double(_) | SqlType::DoublePrecision => DataType::Float64,
        SqlType::String(_) | SqlType::Text | SqlType::Varchar(_) => DataType::Utf8,
        SqlType::Binary(_) => DataType::Binary,
        SqlType::Date => DataType::Date32,
        SqlType::Timestamp(_, TimezoneInfo::None) => DataType::Timestamp(TimeUnit::Nanosecond, None),
        SqlType::Decimal(ExactNumberInfo::PrecisionAndScale(precision, scale)) => {
            DataType::Decimal128(u8::try_from(*precision).ok()?, i8::try_from(*scale).ok()?)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_the_query_engine_reads_them() {
        assert_eq!(number("-9223372036854775807").data_type(), &DataType::Int64);
        assert_eq!(number("-9223372036854775808").data_type(), &DataType::Float64);
        assert_eq!(number("18446744073709551615").data_type(), &DataType::UInt64);
        assert_eq!(number("1e1").data_type(), &DataType::Float64);
        assert_eq!((hex("0aFF"), hex("0")), (Some(vec![10, 255]), None));
    }
}
