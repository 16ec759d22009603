//! Notes: in memory, each person's own, gone with the process. Changing one needs an approval, so nothing reaches these
//! functions but what the policy let through.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use portcullis_oauth::{PrincipalId, random_handle};

use crate::tool::ToolResult;
use crate::upstream::Failure;

/// So many notes in all; the sandbox is for trying things out.
const MOST: usize = 1_000;

/// Whose note, and which.
type Key = (PrincipalId, String);

/// The notes.
#[derive(Default)]
pub(super) struct Notes(Mutex<HashMap<Key, String>>);

impl Notes {
    fn all(&self) -> MutexGuard<'_, HashMap<Key, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a new note.
    pub(super) fn create(&self, who: &PrincipalId, title: &str, text: &str) -> Result<ToolResult, Failure> {
        let mut all = self.all();
        if all.len() >= MOST {
            return Err(Failure::Told("The sandbox keeps no more notes. Delete one first.".to_owned()));
        }
        let id = random_handle("note_");
        all.insert((who.clone(), id.clone()), format!("{title}\n\n{text}"));
        Ok(ToolResult::text(format!("Created {id}.")))
    }

    /// Replaces the text of a note.
    pub(super) fn update(&self, who: &PrincipalId, id: &str, text: &str) -> Result<ToolResult, Failure> {
        let mut all = self.all();
        let note = all.get_mut(&(who.clone(), id.to_owned())).ok_or_else(unknown)?;
        text.clone_into(note);
        Ok(ToolResult::text(format!("Updated {id}.")))
    }

    /// Deletes a note.
    pub(super) fn delete(&self, who: &PrincipalId, id: &str) -> Result<ToolResult, Failure> {
        self.all().remove(&(who.clone(), id.to_owned())).ok_or_else(unknown)?;
        Ok(ToolResult::text(format!("Deleted {id}.")))
    }
}

/// Somebody else's note is an unknown one (TOOL-12).
fn unknown() -> Failure {
    Failure::Told("There is no such note.".to_owned())
}

#[cfg(test)]
mod tests {
    use portcullis_oauth::PrincipalKind;

    use super::*;

    /// TOOL-12
    #[test]
    fn a_note_is_its_owners_alone() {
        let (alice, bob) =
            (PrincipalId::generate(PrincipalKind::User), PrincipalId::generate(PrincipalKind::User));
        let notes = Notes::default();
        notes.create(&alice, "t", "x").unwrap();
        let id = notes.all().keys().next().unwrap().1.clone();
        assert!(matches!(notes.update(&bob, &id, "y"), Err(Failure::Told(_))));
        assert!(matches!(notes.delete(&bob, &id), Err(Failure::Told(_))));
        notes.update(&alice, &id, "y").unwrap();
        notes.delete(&alice, &id).unwrap();
    }
}
