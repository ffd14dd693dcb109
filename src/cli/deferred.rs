//! Arguments that clap gets to know when they are wanted.

use clap::{ArgMatches, Args, Command, Error, FromArgMatches};

/// The arguments of one subcommand among many. Those of the others are not described to clap at
/// each start, which would take longer than running a small module.
#[derive(Debug)]
pub(super) struct Deferred<A>(pub(super) A);

impl<A: Args> Args for Deferred<A> {
    fn augment_args(command: Command) -> Command {
        command.defer(describe::<A>)
    }

    fn augment_args_for_update(command: Command) -> Command {
        A::augment_args_for_update(command)
    }
}

/// What the list of all says about the subcommand stays as it is.
fn describe<A: Args>(command: Command) -> Command {
    match command.get_about().cloned() {
        Some(about) => A::augment_args(command).about(about),
        None => A::augment_args(command),
    }
}

impl<A: FromArgMatches> FromArgMatches for Deferred<A> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        A::from_arg_matches(matches).map(Deferred)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0.update_from_arg_matches(matches)
    }
}
