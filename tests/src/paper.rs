//! The paper trail of a world: its checkpoints, and a hand that reaches into its rows.

use portcullis_audit::Anchors;
use portcullis_database::on;

use crate::World;

impl World {
    /// The checkpoints that its nodes wrote.
    pub fn anchors(&self) -> Anchors {
        Anchors::read(&self.folder().join("audit")).expect("checkpoints")
    }

    /// Somebody with access to the database does this to it.
    pub async fn tamper(&self, sql: &'static str) {
        let done = on!(self.database().write(), |pool| sqlx::query(sql)
            .execute(pool)
            .await
            .map(|d| d.rows_affected()));
        assert!(done.expect("a statement") > 0, "nothing was tampered with: {sql}");
    }
}
