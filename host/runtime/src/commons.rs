//! What all generations of one plugin share, those that are being replaced too.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use crate::{byte_budget::ByteBudget, limits::HostLimits, log_budget::LogBudget, name::PluginName, turns::Turns};

/// What a plugin has once, however many of its generations there are: a swap gives it no second share of anything.
#[derive(Debug)]
pub(crate) struct Commons {
    /// Its state outlives its generations, and so do they.
    pub(crate) turns: Arc<Turns>,
    /// What its transactions hold in memory: a part of what those of all plugins may.
    pub(crate) transactions: Arc<ByteBudget>,
    pub(crate) log_budget: LogBudget,
}

/// The commons of every plugin that has a generation.
#[derive(Debug, Default)]
pub(crate) struct AllCommons(Mutex<HashMap<PluginName, Weak<Commons>>>);

impl Commons {
    /// Those of a plugin whose transactions take half of `transactions` at most.
    fn new(limits: &HostLimits, transactions: &Arc<ByteBudget>) -> Arc<Self> {
        Arc::new(Self {
            turns: Turns::new(),
            transactions: ByteBudget::part_of(transactions, limits.transactions_bytes_max / 2),
            log_budget: LogBudget::new(limits.log_lines_per_second, limits.log_lines_burst),
        })
    }
}

impl AllCommons {
    /// Returns those of a plugin: the ones of its other generations, where there are any.
    pub(crate) fn of(&self, plugin: &PluginName, limits: &HostLimits, transactions: &Arc<ByteBudget>) -> Arc<Commons> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(commons) = all.get(plugin).and_then(Weak::upgrade) {
            return commons;
        }
        all.retain(|_, commons| commons.strong_count() > 0);
        let commons = Commons::new(limits, transactions);
        all.insert(plugin.clone(), Arc::downgrade(&commons));
        commons
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_of_one_plugin_share_and_plugins_do_not() {
        let limits = HostLimits { transactions_bytes_max: 100, ..HostLimits::default() };
        let transactions = ByteBudget::new(limits.transactions_bytes_max);
        let all = AllCommons::default();
        let of = |name: &str| all.of(&PluginName::new(name).expect("a name"), &limits, &transactions);
        let (old, new, other) = (of("orders"), of("orders"), of("notes"));
        assert!(old.transactions.try_take(30) && new.transactions.try_take(20));
        assert!(!new.transactions.try_take(1) && other.transactions.try_take(50));
        new.transactions.give_back(50);
        other.transactions.give_back(50);
        assert_eq!(transactions.used(), 0);
        drop((old, new));
        assert!(of("orders").transactions.try_take(50));
        assert_eq!(all.0.lock().expect("a map").len(), 2);
    }
}
