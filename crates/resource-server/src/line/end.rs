//! One upstream's end of a line: what it says goes out, and what it asks is judged, asked, and answered.

use portcullis_oauth::PublicUrl;
use portcullis_upstream::{Asked, BoxFuture, Events, Notification, RpcError};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{Line, Reaction};
use crate::catalogue::Relays;
use crate::errand::Params;
use crate::protocol::{Level, code};
use crate::relay::{Judge, Kind, Origin, Question, Refused, Secrets, Unfit};

/// One upstream's end of a line.
pub(crate) struct End {
    /// The line.
    pub(crate) line: Line,
    /// Whose end it is.
    pub(crate) origin: Origin,
    /// What must not go out on it.
    pub(crate) secrets: Secrets,
    /// What an admin lets the upstream ask for.
    pub(crate) relays: Relays,
    /// Where no upstream may send anybody.
    pub(crate) gateway: PublicUrl,
}

/// Why a question has no answer.
pub(crate) enum Unanswered {
    /// It was not asked.
    Refused(Refused),
    /// It was, and the client gave an error, or nothing that is an answer to it.
    Failed(Kind, RpcError),
}

impl From<Refused> for Unanswered {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Unanswered> for RpcError {
    fn from(why: Unanswered) -> Self {
        match why {
            // To who was told of no such capability, there is no such method.
            Unanswered::Refused(Refused { kind, why: Unfit::Undeclared }) => {
                Self::method_not_found(kind.method())
            }
            Unanswered::Refused(Refused { why, .. }) => Self {
                code: code::INVALID_PARAMS,
                message: format!("this question is not passed on: {why}"),
                data: None,
            },
            Unanswered::Failed(_, error) => error,
        }
    }
}

impl Events for End {
    fn heard(&self, notification: Notification) {
        self.line.stirs();
        let Some(params) = notification.params else { return };
        let wanted = match notification.method.as_str() {
            "notifications/progress" => self.line.0.progress,
            "notifications/message" => {
                Level::of(&params).is_some_and(|level| Some(level) >= self.line.0.level)
            }
            _ => false,
        };
        if wanted {
            self.line.say(&notification.method, &self.secrets.removed_from_raw(params));
        }
    }

    fn asked(&self, asked: Asked) -> BoxFuture<'_, Reaction> {
        Box::pin(async move {
            let Some(kind) = Kind::of(&asked.method) else {
                return Err(RpcError::method_not_found(&asked.method));
            };
            let params = asked.params.and_then(|params| serde_json::from_str(params.get()).ok());
            let params = self.fit(Question { kind, params: params.unwrap_or_default() });
            Ok(self.ask(kind, params.map_err(Unanswered::from)?).await?)
        })
    }
}

impl End {
    /// Makes a question fit to be asked (T33).
    fn fit(&self, question: Question) -> Result<Value, Refused> {
        let asking = (self.line.asking(), self.relays);
        let judge = Judge::new(asking, (&self.origin, &self.gateway), (&self.secrets, self.line.tally()));
        judge.fit(question)
    }

    /// Asks, and lets nothing but an answer to that pass.
    async fn ask(&self, kind: Kind, params: Value) -> Result<Box<RawValue>, Unanswered> {
        let failed = |error| Unanswered::Failed(kind, error);
        let answer = self.line.ask(kind.method(), params).await.map_err(failed)?;
        if serde_json::from_str(answer.get()).is_ok_and(|answer: Value| kind.is_answered_by(&answer)) {
            return Ok(answer);
        }
        let message = format!("the client gave no answer to {} that can be passed on", kind.method());
        Err(failed(RpcError { code: code::INTERNAL_ERROR, message, data: None }))
    }

    /// Relays the questions that came as the result of a round, none unless all are fit, and gives the answers.
    pub(crate) async fn bridge(&self, requests: Map<String, Value>) -> Result<Params, Unanswered> {
        let mut fit = Vec::with_capacity(requests.len());
        for (key, request) in requests {
            let question = Question::read(request)?;
            fit.push((key, question.kind, self.fit(question)?));
        }
        let mut answers = Params::new();
        for (key, kind, params) in fit {
            let answer = self.ask(kind, params).await?;
            answers.insert(key, serde_json::from_str(answer.get()).unwrap_or_default());
        }
        Ok(answers)
    }
}
