//! Time as PI has it: ticks of 100 ns, the text of instants, time zones, and the words that people write for times.

mod expression;
mod ticks;
mod zone;

pub(super) use expression::{Span, instant, range};
pub(super) use ticks::{InstantReader, Micros, Ticks};
pub(super) use zone::Zone;
