//! Which runtime gets a module.
//!
//! [`fits`] says whether a runtime can take a module at all; a [`Scheduler`] chooses among those
//! that can.

mod least_modules;
mod resources;
mod round_robin;

use std::collections::BTreeSet;
use std::fmt;

use crate::config::SchedulerName;

use super::records::{Runtime, RuntimeState, Wish};

use least_modules::LeastModules;
use resources::Resources;
use round_robin::RoundRobin;

/// A runtime that can take the module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<'a> {
    pub(crate) runtime: &'a Runtime,
    /// What was placed there since its last keepalive.
    pub(crate) placed: Placed,
}

/// What was placed on a runtime, and is not in what it has told of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) modules: u32,
    /// Bytes that they want.
    pub(crate) memory: u64,
}

/// Chooses a runtime.
pub(crate) trait Scheduler: fmt::Debug + Send {
    /// The place in `candidates` of the runtime that gets the module. `None` if there are none.
    fn choose(&mut self, wish: &Wish, candidates: &[Candidate<'_>]) -> Option<usize>;
}

/// The scheduler that is called so.
pub(crate) fn by_name(name: SchedulerName) -> Box<dyn Scheduler> {
    match name {
        SchedulerName::RoundRobin => Box::<RoundRobin>::default(),
        SchedulerName::LeastModules => Box::new(LeastModules),
        SchedulerName::Resources => Box::new(Resources),
    }
}

/// Why a runtime cannot take a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    NotTheParent,
    Lost,
    Full { max: u64 },
    Apis(String),
    Arch,
    Label(String),
    Memory { wanted: u64, left: u64 },
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotTheParent => f.write_str("is not the parent that is asked for"),
            Self::Lost => f.write_str("is lost"),
            Self::Full { max } => write!(f, "has all of its {max} modules"),
            Self::Apis(name) => write!(f, "does not offer {name}"),
            Self::Arch => f.write_str("has another architecture"),
            Self::Label(name) => write!(f, "has not the label {name} that is asked for"),
            Self::Memory { wanted, left } => {
                write!(f, "has {left} bytes of memory left, not {wanted}")
            }
        }
    }
}

/// Whether a runtime can take a module.
pub(crate) fn fits(wish: &Wish, runtime: &Runtime, placed: Placed) -> Result<(), Misfit> {
    if wish.parent.is_some_and(|parent| parent != runtime.uuid) {
        return Err(Misfit::NotTheParent);
    }
    has_place(runtime)?;
    offers(wish, runtime)?;
    has_memory(wish, runtime, placed)
}

/// Whether a runtime is there and not full.
pub(crate) fn has_place(runtime: &Runtime) -> Result<(), Misfit> {
    if runtime.state == RuntimeState::Lost {
        return Err(Misfit::Lost);
    }
    if runtime.free_slots() == Some(0) {
        let max = runtime.max_nmodules;
        return Err(Misfit::Full { max });
    }
    Ok(())
}

/// Whether a runtime is of the kind that is wanted: apis, architecture, labels.
pub(crate) fn offers(wish: &Wish, runtime: &Runtime) -> Result<(), Misfit> {
    let offered = &runtime.api_names;
    if let Some(missing) = wish.apis.iter().find(|api| !offered.contains(*api)) {
        return Err(Misfit::Apis(missing.clone()));
    }
    if !wish.arch.is_empty() && !runtime.arch.as_ref().is_some_and(|a| has(&wish.arch, a)) {
        return Err(Misfit::Arch);
    }
    let lacks = |(name, value): &(&String, &String)| runtime.labels.get(*name) != Some(*value);
    if let Some((name, _)) = wish.labels.iter().find(lacks) {
        return Err(Misfit::Label(name.clone()));
    }
    Ok(())
}

/// Whether a runtime has the memory that is wanted, as far as it tells.
pub(crate) fn has_memory(wish: &Wish, runtime: &Runtime, placed: Placed) -> Result<(), Misfit> {
    if let (Some(wanted), Some(available)) = (wish.memory, runtime.load.memory_available) {
        let left = available.saturating_sub(placed.memory);
        if wanted > left {
            return Err(Misfit::Memory { wanted, left });
        }
    }
    Ok(())
}

fn has(names: &BTreeSet<String>, name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests;
