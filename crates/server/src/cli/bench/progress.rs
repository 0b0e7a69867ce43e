//! The progress bar: on a terminal only, and on stderr, so that results can be piped.

use std::fmt::Write;
use std::sync::atomic::Ordering;
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};

use super::Live;
use super::plan::Plan;

/// Shows how far the run is until `finished` says so.
pub(super) fn show(plan: &Plan, live: &Live, finished: impl Fn() -> bool) {
    // Without subscribers, what is published is all there is to see.
    let (counter, goal) = match (plan.request, plan.subs) {
        (true, _) => (&live.received, plan.msgs),
        (false, 0) => (&live.published, plan.msgs),
        (false, _) => (&live.received, plan.deliveries()),
    };
    // indicatif hides the bar by itself if stderr is no terminal.
    let bar = ProgressBar::new(goal);
    let template = "{wide_bar} {human_pos}/{human_len} {pace} {elapsed}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        // The built-in rate has four decimals.
        bar.set_style(style.with_key("pace", |state: &ProgressState, out: &mut dyn Write| {
            let _infallible = write!(out, "{}/s", HumanCount(state.per_sec() as u64));
        }));
    }
    let mut naps = 0_u32;
    while !finished() {
        // Short at first, so that short runs end at once; then rarely, to leave the CPU alone.
        naps = naps.saturating_add(1);
        std::thread::sleep(Duration::from_millis(if naps < 20 { 5 } else { 100 }));
        bar.set_position(counter.load(Ordering::Relaxed));
    }
    bar.finish_and_clear();
}
