//! Overflow policies and queries by subject and user, as the operator configured them.

use std::sync::Arc;

use floodway::{Filter, Overflow, Query};

/// What some subscriptions get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Subscriptions to this, or to a part of it.
    pub subject: Filter,
    /// Only those of this user; of everybody if absent.
    pub user: Option<String>,
    /// Their policy and limits.
    pub overflow: Arc<Overflow>,
    /// They get only the messages that it matches.
    pub query: Option<Query>,
}

/// Rules in order; the first that fits a subscription counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    rules: Vec<Rule>,
}

impl Rules {
    /// Rules in the order in which they are looked at.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self { rules }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rule for a subscription of `user` to `filter`, if there is one. A rule fits if it covers
    /// everything that the filter matches.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use floodway::{Filter, Limits, Overflow, Policy};
    /// use floodway_broker::{Rule, Rules};
    /// let overflow = Arc::new(Overflow::new(Policy::DropOldest, Limits::NONE));
    /// let subject = Filter::new("quotes.>")?;
    /// let rules = Rules::new(vec![Rule { subject, user: None, overflow, query: None }]);
    /// assert!(rules.find(&Filter::new("quotes.*.eu")?, Some("ann")).is_some());
    /// assert!(rules.find(&Filter::new(">")?, None).is_none());
    /// # Ok::<(), floodway::FilterError>(())
    /// ```
    pub fn find(&self, filter: &Filter, user: Option<&str>) -> Option<&Rule> {
        let fits = |rule: &&Rule| {
            rule.subject.covers(filter)
                && rule.user.as_deref().is_none_or(|name| user == Some(name))
        };
        self.rules.iter().find(fits)
    }
}
