//! A request as the work of a call.

use super::{Run, Start, Work};
use crate::{
    admission::Admission,
    bindings::exports::backplane::plugin::http_handler::Request,
    generation::Generation,
    invoke::Answer,
    keyspace::{CommitError, Keyspace, Outcome},
    manifest::Transaction as Mode,
};

impl Work for Request {
    type Output = Answer;

    fn mode(&self, generation: &Generation) -> Mode {
        generation.transaction_of(self.route)
    }

    fn place(&self, _: &Generation) -> u32 {
        self.route
    }

    async fn admit(&self, generation: &Generation) -> Admission {
        generation.admit_in_time().await
    }

    async fn run(&self, start: Start) -> Run<Answer> {
        let Start { generation, admission, context, scope, is_first } = start;
        let instance = match is_first {
            true => generation.instance(&context.request_id).await,
            false => generation.unused_instance(&context.request_id).await,
        };
        match instance {
            Ok(instance) => generation.run_once(admission, instance, self, context, scope).await,
            Err(error) => Run { answer: Err(error), state: None },
        }
    }

    fn keeps_writes(answer: &Answer) -> bool {
        answer.is_ok()
    }

    fn is_recorded(answer: &Answer, keyspace: &dyn Keyspace) -> bool {
        answer.is_ok() && keyspace.records_answer()
    }

    fn outcome(answer: &Answer) -> Outcome<'_> {
        answer.as_ref().map_or(Outcome::Nothing, Outcome::Answer)
    }

    fn refused(&mut self, _: Answer, error: CommitError) -> Result<Option<Answer>, CommitError> {
        Err(error)
    }
}
