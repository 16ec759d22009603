//! Blocks of content and what they say they are. What is shown as a picture or heard as a sound is one of the kinds that only
//! can be that: others can run something where they are shown (T34). Kinds of blocks that this release does not know pass.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Pictures that are nothing else; SVG is a document that can run scripts and ask for addresses.
const IMAGES: [&str; 8] = [
    "image/png",
    "image/jpeg",
    "image/jpg",
    "image/gif",
    "image/webp",
    "image/avif",
    "image/bmp",
    "image/tiff",
];
/// Icons come in lists of addresses, and are asked for by clients.
const ICONS: &str = "icons";

/// A block as it may be shown: itself, or a text in its place.
pub(super) fn checked(block: Value) -> Value {
    let text = |key: &str| block.get(key).and_then(Value::as_str).unwrap_or_default();
    let kind = text("type");
    let media = text("mimeType").split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let fits = match kind {
        "image" => IMAGES.contains(&media.as_str()),
        "audio" => media.starts_with("audio/"),
        _ => return block,
    };
    if !fits {
        return removed(&format!("{kind} content that is not of a kind that can be shown safely"));
    }
    if STANDARD.decode(text("data")).is_err() {
        removed(&format!("{kind} content that cannot be read"))
    } else {
        block
    }
}

/// What stands in the place of something that was taken out.
pub(super) fn removed(what: &str) -> Value {
    json!({"type": "text", "text": format!("[{what} was removed]")})
}

/// Takes out icons that a client would look for in its own world: it asks for them by itself.
pub(crate) fn without_stray_icons(holder: &mut Value) {
    let Some(icons) = holder.get_mut(ICONS).and_then(Value::as_array_mut) else { return };
    icons.retain(|icon| {
        let source = icon.get("src").and_then(Value::as_str).unwrap_or_default();
        is_picture(source) || !super::links::leads_astray(source)
    });
}

/// Whether an address is itself a picture that is nothing else.
fn is_picture(source: &str) -> bool {
    let lower = source.get(..64.min(source.len())).unwrap_or_default().to_ascii_lowercase();
    IMAGES.iter().any(|kind| lower.strip_prefix("data:").is_some_and(|rest| rest.starts_with(kind)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T34
    #[test]
    fn a_picture_is_a_picture() {
        let block = |kind: &str, media: &str, data: &str| json!({"type": kind, "mimeType": media, "data": data, "later": 1});
        for fine in [
            block("image", "image/png", "iVBORw0="),
            block("image", "IMAGE/JPEG; q=1", "AAAA"),
            block("audio", "audio/wav", "AAAA"),
            block("novel", "text/html", "<script>"),
        ] {
            assert_eq!(checked(fine.clone()), fine);
        }
        for bad in [
            block("image", "image/svg+xml", "AAAA"),
            block("image", "text/html", "AAAA"),
            block("image", "", "AAAA"),
            block("audio", "application/x-sh", "AAAA"),
            block("image", "image/png", "not base64"),
        ] {
            assert_eq!(checked(bad.clone())["type"], "text", "{bad}");
        }
    }

    /// T34, T13
    #[test]
    fn icons_lead_nowhere_private() {
        let icon = |source: &str| json!({"src": source});
        let mut tool = json!({"name": "a", "icons": [
            icon("https://example.com/a.png"), icon("http://192.168.1.1/a.png"), icon("file:///etc/passwd"),
            icon("data:image/png;base64,AAAA"), icon("data:image/svg+xml,<svg/>"), icon("javascript:x"),
        ]});
        without_stray_icons(&mut tool);
        assert_eq!(
            tool["icons"],
            json!([icon("https://example.com/a.png"), icon("data:image/png;base64,AAAA")])
        );
    }
}
