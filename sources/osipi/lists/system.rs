//! The PI Web API server itself.

use super::{super::system::System, out::Out};
use crate::error::Result;

pub(super) async fn system(out: &mut Out) -> Result<()> {
    let system = System::ask(out.reading.client()).await?;
    out.row(b"{}", |row| {
        row.text("product_title", Some(system.title.as_deref().unwrap_or("PI Web API")));
        row.text("product_version", system.version.as_deref());
        row.text("state", system.state.as_deref());
        row.double("up_time_minutes", system.up_time_minutes);
        row.map("versions", Some(system.versions.iter().map(|(name, version)| (name, Some(version)))));
        row.text("user_name", system.user.as_deref());
        row.text("user_identity_type", system.identity_type.as_deref());
        row.boolean("user_is_authenticated", system.is_authenticated);
        Ok(())
    })
}
