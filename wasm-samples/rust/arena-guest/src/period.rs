//! Periods: one round of a module's work each. How long they take is part of its profile.
//!
//! Periods are automatic at first: each [`poll`](crate::poll) begins one.

use crate::imports;

/// `true`: periods are what [`start`] and [`end`] say. `false`: each [`poll`](crate::poll) begins
/// one.
pub fn set_manual(manual: bool) {
    // SAFETY: takes no pointer.
    unsafe { imports::period_set_flags(manual.into()) }
}

/// Begins a period.
pub fn start() {
    // SAFETY: takes no pointer.
    unsafe { imports::period_start() }
}

/// Ends the period.
pub fn end() {
    // SAFETY: takes no pointer.
    unsafe { imports::period_end() }
}

/// Ends the period, and gives what is left of this scheduling period to others.
pub fn yield_now() {
    // SAFETY: takes no pointer.
    unsafe { imports::period_yield() }
}
