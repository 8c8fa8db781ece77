//! Types that stand in the metadata of a field.

use arrow::datatypes::{DataType, Field};

/// Where Arrow keeps the name of an extension type.
const NAME_KEY: &str = "ARROW:extension:name";

/// A type beyond Arrow's own whose values are brought over as what they mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extension {
    /// 16 bytes.
    Uuid,
    /// Text that holds JSON. In storage it is binary; queries answer text.
    Json,
    /// JSON as Lance stores it, which only Lance reads: queries never answer it.
    StoredJson,
    /// Two bytes, the upper half of a float.
    Bfloat16,
}

pub(super) fn extension(field: &Field) -> Option<Extension> {
    let name = field.metadata().get(NAME_KEY)?;
    match (name.as_str(), field.data_type()) {
        ("arrow.uuid", DataType::FixedSizeBinary(16)) => Some(Extension::Uuid),
        ("arrow.json" | "lance.json", DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => {
            Some(Extension::Json)
        }
        ("arrow.json" | "lance.json", DataType::Binary | DataType::LargeBinary | DataType::BinaryView) => {
            Some(Extension::StoredJson)
        }
        ("lance.bfloat16" | "lance.bfloat16_fixed", DataType::FixedSizeBinary(2)) => Some(Extension::Bfloat16),
        _ => None,
    }
}
