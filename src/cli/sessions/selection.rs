//! Which sessions are meant.

use clap::builder::{PossibleValue, PossibleValuesParser};

use crate::cli::when::{duration, moment};
use crate::session::{Kind, Layer, Offset, Record, State, Wall, Who};
use crate::store::{Filter, JudgedAs};
use crate::verdict;

/// The words of `EndingKind::name`.
const ENDINGS: [&str; 8] = [
    "close_frame",
    "fin",
    "fin_mid_frame",
    "reset",
    "failed",
    "tls",
    "cut_by_wstap",
    "reset_not_passed",
];

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Which sessions")]
pub(super) struct Selection {
    /// Whose verdict has this layer. Several with commas.
    #[arg(long, value_name = "LAYER", value_delimiter = ',')]
    #[arg(value_parser = PossibleValuesParser::new(Layer::ALL.map(Layer::name)))]
    layer: Vec<String>,
    /// Whose verdict names this cause; `wstap explain --list` has them all.
    #[arg(long, value_name = "CAUSE", value_delimiter = ',', hide_possible_values = true)]
    #[arg(value_parser = PossibleValuesParser::new(causes()))]
    cause: Vec<String>,
    /// Whose doing it was.
    #[arg(long, value_delimiter = ',')]
    #[arg(value_parser = PossibleValuesParser::new(Who::ALL.map(Who::name)))]
    who: Vec<String>,
    /// Started at this time or later: 10m for ten minutes ago, or 2026-11-20T04:46:56Z.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    since: Option<Wall>,
    /// Started before this time.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    until: Option<Wall>,
    /// With exactly this Origin header.
    #[arg(long)]
    origin: Option<String>,
    /// Whose path begins like this, or fits this glob.
    #[arg(long)]
    path: Option<String>,
    /// Whose first Close frame had this code.
    #[arg(long, value_name = "CODE", value_parser = close_code)]
    close_code: Option<u16>,
    /// What ended a leg first.
    #[arg(long, value_name = "WHAT", value_parser = PossibleValuesParser::new(ENDINGS))]
    ending: Option<String>,
    /// What the bytes were: websocket, http or opaque.
    #[arg(long, value_parser = kind)]
    kind: Option<Kind>,
    /// That lasted at least so long, as 30s.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    min_duration: Option<Offset>,
    /// That lasted at most so long.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    max_duration: Option<Offset>,
    /// That are open now.
    #[arg(long)]
    open: bool,
    /// At most so many, the newest; 0 for all [default: 50, with --json all].
    #[arg(long, short = 'n', value_name = "N")]
    limit: Option<usize>,
}

impl Selection {
    /// At most so many; nothing for all, or for what is usual.
    pub(super) fn limit(&self, usual: Option<usize>) -> Option<usize> {
        match self.limit {
            Some(0) => None,
            Some(limit) => Some(limit),
            None => usual,
        }
    }

    pub(super) fn judged(&self) -> JudgedAs {
        JudgedAs { layers: self.layer.clone(), causes: self.cause.clone(), whose: self.who.clone() }
    }

    /// All but the limit and the verdict.
    pub(super) fn filter(self) -> Filter {
        Filter {
            since: self.since,
            until: self.until,
            origin: self.origin,
            path: self.path,
            close_code: self.close_code,
            ending: self.ending,
            kind: self.kind,
            min_duration: self.min_duration,
            max_duration: self.max_duration,
            state: self.open.then_some(State::Open),
            ..Filter::default()
        }
    }
}

/// Whether the verdict of a record is what was asked for.
pub(super) fn fits(wanted: &JudgedAs, record: &Record) -> bool {
    wanted.is_anything()
        || record.verdict.as_ref().is_some_and(|verdict| {
            wanted.fits(verdict.layer.name(), &verdict.cause, verdict.who.name())
        })
}

fn causes() -> Vec<PossibleValue> {
    verdict::causes().into_iter().map(|cause| PossibleValue::new(cause.cause)).collect()
}

/// Codes that are never on the wire (RFC 6455 §7.4.1) would find nothing for ever.
fn close_code(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(1005) => Err("never on the wire: it stands for a Close frame without a code".to_owned()),
        Ok(1006) => Err("never on the wire: it stands for an end without a Close frame, as \
             --ending fin, --ending reset or --ending fin_mid_frame find it"
            .to_owned()),
        Ok(code) => Ok(code),
        Err(_) => Err("say a number, as 1000, 1008 or 4008".to_owned()),
    }
}

fn kind(text: &str) -> Result<Kind, String> {
    let kinds = [Kind::Websocket, Kind::Http, Kind::Opaque];
    kinds
        .into_iter()
        .find(|kind| kind.name() == text)
        .ok_or_else(|| "say websocket, http or opaque".to_owned())
}
