//! The reason codes that the gateway's source gives, so that none is added that the paper trail's table does not know.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the pipeline and what it stands on give reasons.
const PLACES: [&str; 5] =
    ["src/pipeline", "src/pipeline.rs", "src/protocol", "src/refusal.rs", "src/upstream/failure.rs"];
/// What a reason code follows, spaces and line ends between them left aside.
const BEFORE: [&str; 12] = [
    "Refusal::bearer(",
    "Refusal::transport(",
    "Refusal::bad_request(",
    "Refusal::error(",
    "Refusal::rpc(",
    "Refusal::tool(",
    "refuse(",
    "fail(",
    "unknown(",
    "told(errand,",
    "reason:",
    "Self::Upstream(",
];

/// Every code that is given there.
pub(crate) fn in_the_source() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for place in PLACES {
        for file in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(place)) {
            let text = fs::read_to_string(&file).unwrap();
            for before in BEFORE {
                codes.extend(text.split(before).skip(1).filter_map(leading_code));
            }
        }
    }
    assert!(codes.len() > 30, "{codes:?}");
    codes
}

/// A text's first word in quotation marks, if it begins with one that is a code.
fn leading_code(text: &str) -> Option<String> {
    let (code, _) = text.trim_start().strip_prefix('"')?.split_once('"')?;
    let is_code = code.contains('_') || ["host", "origin", "accept", "batch", "envelope"].contains(&code);
    (is_code && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')).then(|| code.to_owned())
}

fn files(at: &Path) -> Vec<PathBuf> {
    if at.is_file() {
        return vec![at.to_owned()];
    }
    let entries = fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| files(&path)).collect()
}
