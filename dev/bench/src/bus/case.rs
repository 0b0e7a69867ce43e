//! What a case is made of: contenders, each with the steps that measure it.

use super::report::{Head, Outcome, Row, Side, Table};
use crate::watchdog::Watchdog;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    pub(super) runs: u32,
    /// So many times fewer messages.
    pub(super) divisor: u64,
}

impl Scale {
    /// So many messages, or as many as a short run has.
    pub(super) fn messages(self, messages: u64) -> u64 {
        (messages / self.divisor).max(1)
    }
}

/// Measures what stands in one or more columns side by side.
pub(super) type Step = Box<dyn Fn() -> Outcome>;

/// Somebody who is measured, and how; a step that it cannot do is none.
pub(super) struct Contender {
    pub(super) side: Side,
    pub(super) name: &'static str,
    pub(super) steps: Vec<Option<Step>>,
}

/// A table to be measured; every step fills equally many columns.
pub(super) struct Case {
    pub(super) title: String,
    pub(super) note: &'static str,
    pub(super) heads: Vec<Head>,
    pub(super) contenders: Vec<Contender>,
}

impl Case {
    /// Contenders take turns, so a noisy minute hurts all.
    pub(super) fn measure(self, scale: Scale, watchdog: &Watchdog) -> Table {
        let Self { title, note, heads, contenders } = self;
        let row = |it: &Contender| Row::new(it.side, it.name, heads.len());
        let mut rows: Vec<Row> = contenders.iter().map(row).collect();
        let steps = contenders.iter().map(|it| it.steps.len()).max().unwrap_or_default();
        let width = heads.len() / steps.max(1);
        for run in 1..=scale.runs {
            eprintln!("{title}, run {run}/{}", scale.runs);
            for step in 0..steps {
                for (contender, row) in contenders.iter().zip(&mut rows) {
                    let Some(Some(measure)) = contender.steps.get(step) else { continue };
                    watchdog.watch(&format!("{title}: {}", contender.name));
                    row.add(step * width, measure());
                }
            }
        }
        Table { title, note, heads, rows }
    }
}
