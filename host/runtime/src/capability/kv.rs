//! `backplane:plugin/kv`: the plugin's own state, within the transaction of the call.
//!
//! What reads may wait for a snapshot; what only writes never waits. Every bound is the transaction's (`transaction`).

use wasmtime::component::{HasData, Linker};

use crate::{
    bindings::backplane::plugin::kv::{self, Entry, Error, Host, Page},
    context::CallContext,
    keyspace::{self, Keyspace},
    state::{InstanceState, PluginEnv},
    transaction::{Draft, Listing, Scope, Stop},
};

struct HasKv;

impl HasData for HasKv {
    type Data<'a> = KvView<'a>;
}

/// Sees the call's keyspace and its transaction, which it starts at the first use.
struct KvView<'a> {
    plugin: &'a PluginEnv,
    call: &'a CallContext,
    scope: &'a Scope,
    draft: &'a mut Option<Box<Draft>>,
}

pub(super) fn add_to_linker(linker: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
    kv::add_to_linker::<_, HasKv>(linker, |state| KvView {
        plugin: &state.plugin,
        call: &state.call,
        scope: &state.scope,
        draft: &mut state.draft,
    })
}

impl KvView<'_> {
    fn draft(&mut self) -> Result<(&mut Draft, &dyn Keyspace), Error> {
        let Some(keyspace) = self.call.keyspace.as_deref() else { return Err(Error::NoTransaction) };
        let draft = Draft::in_place(self.draft, self.scope, &self.plugin.commons.transactions, self.call.deadline);
        Ok((draft.ok_or(Error::NoTransaction)?, keyspace))
    }

    async fn read(&mut self, bucket: &str, key: String) -> Result<Option<Vec<u8>>, Stop> {
        let (draft, keyspace) = self.draft()?;
        draft.get(keyspace, bucket, key).await
    }

    async fn read_many(&mut self, bucket: &str, keys: Vec<String>) -> Result<Vec<Option<Vec<u8>>>, Stop> {
        let (draft, keyspace) = self.draft()?;
        draft.get_many(keyspace, bucket, keys).await
    }

    async fn read_page(&mut self, listing: &Listing) -> Result<Page, Stop> {
        let (draft, keyspace) = self.draft()?;
        let page = draft.list(keyspace, listing).await?;
        let entries = page.entries.into_iter().map(|(key, value)| Entry { key, value }).collect();
        Ok(Page { entries, more: page.more })
    }
}

impl Host for KvView<'_> {
    async fn get(&mut self, bucket: String, key: String) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        answer(self.read(&bucket, key).await)
    }

    async fn get_many(
        &mut self,
        bucket: String,
        keys: Vec<String>,
    ) -> wasmtime::Result<Result<Vec<Option<Vec<u8>>>, Error>> {
        answer(self.read_many(&bucket, keys).await)
    }

    async fn list(
        &mut self,
        bucket: String,
        prefix: String,
        after: Option<String>,
        limit: u32,
        order: kv::Order,
    ) -> wasmtime::Result<Result<Page, Error>> {
        let order = match order {
            kv::Order::Ascending => keyspace::Order::Ascending,
            kv::Order::Descending => keyspace::Order::Descending,
        };
        answer(self.read_page(&Listing { bucket, prefix, after, limit, order }).await)
    }

    fn set(&mut self, bucket: String, key: String, value: Vec<u8>, ttl_ms: Option<u64>) -> Result<(), Error> {
        self.draft()?.0.set(&bucket, key, value, ttl_ms)
    }

    fn delete(&mut self, bucket: String, key: String) -> Result<(), Error> {
        self.draft()?.0.delete(&bucket, key)
    }

    fn increment(&mut self, bucket: String, key: String, by: i64) -> Result<(), Error> {
        self.draft()?.0.increment(&bucket, key, by)
    }
}

/// Tells the guest, or ends it: a run that must start anew has nothing more to do.
fn answer<T>(result: Result<T, Stop>) -> wasmtime::Result<Result<T, Error>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(Stop::Refused(error)) => Ok(Err(error)),
        Err(Stop::Failed(_)) => Ok(Err(Error::Unavailable)),
        Err(Stop::Restart) => wasmtime::bail!("the run starts anew"),
    }
}
