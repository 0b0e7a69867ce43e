//! `floodway query`: try content queries without a server.

mod cases;
mod tags_json;

use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use floodway_query::{Options, Query};

use super::client::failure::{Failure, exit_code};
use tags_json::TagsJson;

/// Check and try content queries, without a server.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Tags are a JSON object of a value or a list of values for each key; a list of such objects is a
list of events, for SAME EVENT.

Exit codes: 0 yes, 1 no (`match` prints no_match), 2 the query or the tags are not valid.

Examples:
  floodway query check \"tx.height > 5 AND kind = 'quote'\"
  floodway query match \"tx.height = 5\" --tags '{\"tx.height\": [\"5\"]}'
  floodway query match --strict --file cases.jsonl
  floodway query explain \"account = 'a' AND (price < 5 OR price > 9)\"
  floodway query fmt \"a='b'AND(c=5)\"";

#[derive(Debug, Subcommand)]
enum Command {
    /// Say whether a query is valid, and what is wrong with it
    Check(Text),
    /// Say whether a query matches these tags
    Match(MatchArgs),
    /// Say how a query is looked for in an index, and what it costs
    Explain(Text),
    /// Print the canonical text of a query
    Fmt(Text),
}

/// A query, and how it is read.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  floodway query check \"tx.height > 5 AND kind = 'quote'\"")]
struct Text {
    /// The query; `-` reads it from standard input.
    #[arg(value_name = "QUERY", allow_hyphen_values = true)]
    query: String,

    #[command(flatten)]
    language: Language,
}

#[derive(Debug, clap::Args)]
struct Language {
    /// The language of CometBFT, without the extensions.
    #[arg(long)]
    strict: bool,

    /// The longest query that is allowed.
    #[arg(long, value_name = "BYTES", default_value_t = 512,
        value_parser = clap::value_parser!(u32).range(1..=Options::LENGTH_CAP as i64))]
    max_length: u32,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
With --file each line is a JSON object with `query` and `events` (the tags), and for each one line
is printed: match, no_match, or syntax_error. If it has `expect`, the answer must be that, else the
exit code is 1 and the line says so on standard error.

Examples:
  floodway query match \"tx.height = 5\" --tags '{\"tx.height\": [\"5\"]}'
  floodway query match --strict --file cases.jsonl")]
struct MatchArgs {
    /// The query.
    #[arg(
        value_name = "QUERY",
        allow_hyphen_values = true,
        required_unless_present = "file",
        requires = "tags",
        conflicts_with = "file"
    )]
    query: Option<String>,

    /// The tags, as JSON: {"key": ["value", ...], ...}, or a list of such objects.
    #[arg(short, long, value_name = "JSON", conflicts_with = "file")]
    tags: Option<String>,

    /// Read queries and tags from this file, one JSON object a line; `-` is standard input.
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,

    #[command(flatten)]
    language: Language,
}

impl Language {
    fn options(&self) -> Options {
        let options = if self.strict { Options::strict() } else { Options::extended() };
        options.length_max(self.max_length as usize)
    }

    fn parse(&self, text: &str) -> Result<Query, Failure> {
        self.options().parse(text).map_err(Failure::usage)
    }
}

/// Runs `floodway query`: 0 valid or a match, 1 no match, 2 not valid.
#[expect(clippy::needless_pass_by_value, reason = "every command's run takes its Args")]
pub(crate) fn run(args: Args) -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    let answer = execute(&args, &mut out);
    let written = out.flush().map_err(|error| Failure::output(&error));
    match (answer, written) {
        (Ok(false), Ok(())) => ExitCode::from(1),
        (answer, written) => exit_code(answer.and(written)),
    }
}

/// Whether the answer is yes.
fn execute(args: &Args, out: &mut impl Write) -> Result<bool, Failure> {
    let (line, yes) = match &args.command {
        Command::Check(text) => {
            text.parse()?;
            ("valid".to_owned(), true)
        }
        Command::Explain(text) => (text.parse()?.explain().to_string(), true),
        Command::Fmt(text) => (text.parse()?.to_string(), true),
        Command::Match(args) => match (&args.query, &args.tags, &args.file) {
            (Some(query), Some(tags), _) => {
                let query = args.language.parse(query)?;
                let tags: TagsJson = serde_json::from_str(tags)
                    .map_err(|error| Failure::usage(format!("the tags: {error}")))?;
                let yes = query.matches(&tags.tags());
                (cases::answer(yes).to_owned(), yes)
            }
            (_, _, Some(file)) => return cases::run(&args.language.options(), open(file)?, out),
            _ => return Err(Failure::usage("either a query and --tags, or --file")),
        },
    };
    writeln!(out, "{line}").map_err(|error| Failure::output(&error))?;
    Ok(yes)
}

impl Text {
    fn parse(&self) -> Result<Query, Failure> {
        if self.query != "-" {
            return self.language.parse(&self.query);
        }
        let text = io::read_to_string(io::stdin())
            .map_err(|error| Failure::usage(format!("cannot read standard input: {error}")))?;
        self.language.parse(text.trim_end_matches('\n'))
    }
}

fn open(path: &Path) -> Result<Box<dyn BufRead>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    match std::fs::File::open(path) {
        Ok(file) => Ok(Box::new(BufReader::new(file))),
        Err(error) => Err(Failure::usage(format!("{} cannot be read: {error}", path.display()))),
    }
}

#[cfg(test)]
mod tests;
