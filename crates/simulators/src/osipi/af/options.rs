//! Options of the asset side by text.

use super::generate::AfConfig;
use crate::settings;

impl AfConfig {
    /// Sets an option of the asset side by text; false when there is none of that name.
    ///
    /// # Errors
    /// When the value makes no sense; the text says why.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<bool, String> {
        let number = || value.parse::<usize>().map_err(|_| format!("'{value}' is no number, for '{name}'"));
        match settings::name(name).as_str() {
            "elements" => self.elements = number()?,
            "event_frames" => self.event_frames = number()?,
            "event_frame_days" => {
                self.event_frame_days = u32::try_from(number()?).map_err(|_| format!("'{value}' is too long"))?;
            }
            "tied_event_frames" => self.tied_frames = number()?,
            "denied_objects" => {
                self.denied =
                    value.parse().map_err(|_| format!("'{value}' is neither true nor false, for '{name}'"))?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}
