//! Expressions to numbers.

use super::{
    super::{streams::value_at, ticks::Ticks, world::World},
    parse::{Expression, Function, Operator},
};

impl Expression {
    /// The value at an instant; nothing when it cannot be computed.
    pub(crate) fn value(&self, world: &World, at: Ticks, now: Ticks) -> Option<f64> {
        self.number(&|point| stored_number(world, point, at, now), None)
    }

    /// Whether it is true of the value of a point that is at hand.
    pub(crate) fn holds(&self, world: &World, own: usize, at: Ticks, now: Ticks, current: Option<f64>) -> bool {
        let point = |point| if point == own { current } else { stored_number(world, point, at, now) };
        self.number(&point, current).is_some_and(|number| number != 0.0)
    }

    fn number(&self, point: &dyn Fn(usize) -> Option<f64>, current: Option<f64>) -> Option<f64> {
        let eval = |inner: &Self| inner.number(point, current);
        let truth = |truth: bool| Some(f64::from(u8::from(truth)));
        let found = match self {
            Self::Number(number) => Some(*number),
            Self::Current => current,
            Self::Point(number) => point(*number),
            Self::Negative(inner) => Some(-eval(inner)?),
            Self::Not(inner) => truth(eval(inner)? == 0.0),
            Self::If(parts) => {
                let [condition, yes, no] = parts.as_ref();
                if eval(condition)? != 0.0 { eval(yes) } else { eval(no) }
            }
            Self::Function(Function::BadVal, arguments) => truth(arguments.first().and_then(eval).is_none()),
            Self::Function(function, arguments) => {
                let first = eval(arguments.first()?)?;
                let second = || eval(arguments.get(1)?);
                Some(match function {
                    Function::Abs => first.abs(),
                    Function::Sqr => first.sqrt(),
                    Function::Int => first.trunc(),
                    Function::Round => first.round(),
                    Function::Min => first.min(second()?),
                    Function::Max => first.max(second()?),
                    Function::TagVal | Function::BadVal => first,
                })
            }
            Self::Operation(operator, left, right) => {
                let (left, right) = (eval(left)?, eval(right)?);
                match operator {
                    Operator::Or => truth(left != 0.0 || right != 0.0),
                    Operator::And => truth(left != 0.0 && right != 0.0),
                    Operator::Equal => truth(left == right),
                    Operator::Unequal => truth(left != right),
                    Operator::Less => truth(left < right),
                    Operator::LessEqual => truth(left <= right),
                    Operator::Greater => truth(left > right),
                    Operator::GreaterEqual => truth(left >= right),
                    Operator::Plus => Some(left + right),
                    Operator::Minus => Some(left - right),
                    Operator::Times => Some(left * right),
                    Operator::Divided => Some(left / right),
                    Operator::Power => Some(left.powf(right)),
                }
            }
        };
        found.filter(|number| number.is_finite())
    }
}

fn stored_number(world: &World, point: usize, at: Ticks, now: Ticks) -> Option<f64> {
    let stored = value_at(&world.archive, world.points.get(point)?, at, now);
    stored.number.filter(|_| stored.good)
}
