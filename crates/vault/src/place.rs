//! Where a sealed value belongs, and the value in the form that rows hold.

/// The one row that a credential is sealed for. Moved to any other, it does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The principal whose connection it is.
    pub owner: &'a str,
    /// The connection's identifier.
    pub connection: &'a str,
    /// Which of its credentials.
    pub field: &'a str,
    /// How often it was set.
    pub version: i64,
}

impl Place<'_> {
    /// Each part behind its length, so that no two places read the same.
    pub(crate) fn associated_data(&self) -> Vec<u8> {
        let mut data = b"portcullis credential v1".to_vec();
        for part in [self.owner, self.connection, self.field] {
            data.extend_from_slice(&(part.len() as u64).to_be_bytes());
            data.extend_from_slice(part.as_bytes());
        }
        data.extend_from_slice(&self.version.to_be_bytes());
        data
    }
}

/// A sealed value as its column holds it.
#[derive(Clone, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub struct Sealed(pub(crate) String);

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealed(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_places_read_the_same() {
        let place = |owner, connection, field, version| Place { owner, connection, field, version };
        let places = [
            place("a", "b", "c", 1),
            place("ab", "", "c", 1),
            place("a", "bc", "", 1),
            place("b", "a", "c", 1),
            place("a", "b", "c", 2),
        ];
        let mut data: Vec<_> = places.iter().map(Place::associated_data).collect();
        data.sort();
        data.dedup();
        assert_eq!(data.len(), places.len());
    }
}
