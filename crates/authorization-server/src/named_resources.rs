//! The resources that a request names (RFC 8707 §2), each once, however it is spelled and however often it is said. Whether
//! they exist, and who may reach them, is judged elsewhere.

use portcullis_oauth::{Error, ErrorCode, ResourceUri};

use crate::attempt::{self, Reason, Step};

/// All that these values name, in their order (R8707-2-1).
pub(crate) fn all<'a>(values: impl Iterator<Item = &'a str>) -> Result<Vec<ResourceUri>, Error> {
    let mut named = Vec::new();
    for value in values {
        let uri = ResourceUri::parse(value).map_err(|error| {
            attempt::refused((Step::Resource, Reason::ResourceMalformed), "an absolute URI", value);
            Error::new(ErrorCode::InvalidTarget, error.to_string())
        })?;
        if !named.contains(&uri) {
            named.push(uri);
        }
    }
    Ok(named)
}

/// The one that these values name, if they name any: a token is for one (R9068-3-1).
pub(crate) fn one<'a>(values: impl Iterator<Item = &'a str>) -> Result<Option<ResourceUri>, Error> {
    let mut named = all(values)?.into_iter();
    match (named.next(), named.next()) {
        (only, None) => Ok(only),
        (_, Some(second)) => Err(too_many("one resource", &second, "a token is for one resource: name one")),
    }
}

/// More are named than can be meant together.
pub(crate) fn too_many(expected: &str, got: &ResourceUri, text: &'static str) -> Error {
    attempt::refused((Step::Resource, Reason::ResourceSeveral), expected, got);
    Error::new(ErrorCode::InvalidTarget, text)
}
