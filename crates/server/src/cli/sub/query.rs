//! The options of `floodway sub` that choose messages by content.

use floodway_query::Options;

use crate::cli::client::failure::Failure;

/// Which messages of the subjects are wanted.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Content query (needs a floodway server)")]
pub(crate) struct QueryArgs {
    /// Get only the messages that match: by their headers, and by what the server is configured to
    /// take out of their payloads. `floodway query --help` tells more about queries.
    #[arg(long, value_name = "QUERY")]
    pub(super) query: Option<String>,

    /// Read the query in the language of CometBFT, without the extensions.
    #[arg(long, requires = "query")]
    pub(super) strict: bool,
}

impl QueryArgs {
    /// Whether the server has to be asked for it.
    pub(super) fn is_given(&self) -> bool {
        self.query.is_some()
    }

    /// Reads the query, so that a mistake is shown with its place, and before connecting.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let options = if self.strict { Options::strict() } else { Options::extended() };
        let query = self.query.as_ref().map(|text| options.parse(text)).transpose();
        query.map(|_| ()).map_err(Failure::usage)
    }

    /// The dialect as the control request has it; none for the one that it has by itself.
    pub(super) fn dialect(&self) -> Option<&'static str> {
        self.strict.then(|| Options::strict().dialect().name())
    }
}
