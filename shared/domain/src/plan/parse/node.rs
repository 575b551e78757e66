//! From text to a tree of nodes that know their place.
//!
//! Built from the YAML parser's events on a stack of its own, so that depth is bounded and every
//! duplicate key, alias, anchor and tag is told. Aliases are refused, so nothing can unfold into
//! more than the file holds (invariant 11).

use std::collections::BTreeMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use super::character::all_seen;
use super::errors::{At, Errors, shown};
use crate::words::hidden;

/// How deep lists and mappings may stand in each other; a plan needs 8.
const MOST_DEPTH: usize = 32;

/// A part of the file.
#[derive(Debug)]
pub(super) struct Node {
    /// Where it begins.
    pub(super) at: At,
    /// What it is.
    pub(super) kind: Kind,
}

/// What a part of the file is.
#[derive(Debug)]
pub(super) enum Kind {
    /// Nothing, `null` or `~`.
    Null,
    /// A text in quotes, or a block of text.
    Quoted(String),
    /// A text without quotes: it may be a number, or true or false.
    Plain(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping; each key once.
    Map(Vec<(Key, Node)>),
    /// Something that an error was told about already.
    Broken,
}

/// A key of a mapping.
#[derive(Debug)]
pub(super) struct Key {
    /// Where it stands.
    pub(super) at: At,
    /// Its name.
    pub(super) name: String,
}

/// A list or mapping that has begun.
enum Open {
    List(At, Vec<Node>),
    Map(At, Vec<(Key, Node)>, BTreeMap<String, At>, Waiting),
}

/// What a mapping waits for.
enum Waiting {
    Key,
    Value(Option<Key>),
}

impl Node {
    /// The value of that key, if this is a mapping that has it.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        let Kind::Map(entries) = &self.kind else {
            return None;
        };
        let mut entries = entries.iter();
        let (_, value) = entries.find(|(key, _)| key.name == name)?;
        Some(value)
    }

    /// What this lists; nothing if it is no list.
    pub(super) fn items(&self) -> &[Self] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// Its text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Quoted(text) | Kind::Plain(text) => Some(text),
            Kind::Null | Kind::List(_) | Kind::Map(_) | Kind::Broken => None,
        }
    }

    /// What it is, for people.
    pub(super) fn describe(&self) -> String {
        match &self.kind {
            Kind::Null | Kind::Broken => "nothing".to_owned(),
            Kind::Quoted(text) if text.is_empty() => "an empty text".to_owned(),
            Kind::Quoted(text) => format!("the text {}", shown(text)),
            Kind::Plain(text) => shown(text),
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) => "a mapping".to_owned(),
        }
    }
}

/// The tree of the one document in `text`; `None` if an error keeps it from being walked.
pub(super) fn read(text: &str, errors: &mut Errors) -> Option<Node> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if !all_seen(text, errors) {
        return None;
    }
    let mut open: Vec<Open> = Vec::new();
    let mut root: Option<Node> = None;
    let mut documents = 0;
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                errors.push(place(error.marker()), not_yaml(error.info()));
                return None;
            }
        };
        let at = place(&span.start);
        let done = match event {
            Event::Nothing | Event::StreamStart | Event::DocumentEnd => continue,
            Event::StreamEnd => break,
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    errors.push(at, "a second document begins here; a plan is one document");
                    return None;
                }
                continue;
            }
            Event::Alias(_) => {
                errors.push(
                    at,
                    "aliases (`*name`) are not supported: write the value out",
                );
                Node {
                    at,
                    kind: Kind::Broken,
                }
            }
            Event::Scalar(value, style, anchor, tag) => {
                plain(at, anchor, tag.is_some(), errors);
                scalar(at, value.into_owned(), style, errors)
            }
            Event::SequenceStart(anchor, tag) => {
                plain(at, anchor, tag.is_some(), errors);
                open.push(Open::List(at, Vec::new()));
                if too_deep(&open, at, errors) {
                    return None;
                }
                continue;
            }
            Event::MappingStart(anchor, tag) => {
                plain(at, anchor, tag.is_some(), errors);
                open.push(Open::Map(at, Vec::new(), BTreeMap::new(), Waiting::Key));
                if too_deep(&open, at, errors) {
                    return None;
                }
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::List(at, items)) => Node {
                    at,
                    kind: Kind::List(items),
                },
                Some(Open::Map(at, entries, ..)) => Node {
                    at,
                    kind: Kind::Map(entries),
                },
                None => continue,
            },
        };
        match open.last_mut() {
            None => root = Some(done),
            Some(Open::List(_, items)) => items.push(done),
            Some(Open::Map(_, entries, seen, waiting)) => {
                *waiting = match std::mem::replace(waiting, Waiting::Key) {
                    Waiting::Key => Waiting::Value(key(done, seen, errors)),
                    Waiting::Value(key) => {
                        entries.extend(key.map(|key| (key, done)));
                        Waiting::Key
                    }
                };
            }
        }
    }
    match root {
        Some(Node {
            at,
            kind: Kind::Null,
        }) => {
            errors.push(at, EMPTY);
            None
        }
        Some(root) => Some(root),
        None => {
            errors.push(At::START, EMPTY);
            None
        }
    }
}

const EMPTY: &str =
    "the plan is empty: it needs at least `wave`, `start`, `gates` and `applications`";

/// The scanner's sentence, with what helps where people stumble.
fn not_yaml(info: &str) -> String {
    let help = if info.contains("anchor") {
        "; a text that begins with * or & needs quotes"
    } else if info.contains("tab") {
        "; indent with spaces"
    } else {
        ""
    };
    format!("this is neither YAML nor JSON: {info}{help}")
}

fn place(marker: &Marker) -> At {
    At {
        line: marker.line().max(1),
        column: marker.col() + 1,
    }
}

/// Tell of an anchor or a tag: a plan is plain data.
fn plain(at: At, anchor: usize, tagged: bool, errors: &mut Errors) {
    if anchor != 0 {
        errors.push(
            at,
            "anchors (`&name`) are not supported: write the value out where it is used",
        );
    }
    if tagged {
        errors.push(
            at,
            "YAML tags (`!name`) are not supported: write the plain value",
        );
    }
}

fn too_deep(open: &[Open], at: At, errors: &mut Errors) -> bool {
    let deep = open.len() > MOST_DEPTH;
    if deep {
        errors.push(
            at,
            format!("lists and mappings stand more than {MOST_DEPTH} deep in each other"),
        );
    }
    deep
}

fn scalar(at: At, value: String, style: ScalarStyle, errors: &mut Errors) -> Node {
    if let Some(character) = value
        .chars()
        .find(|character| hidden(*character) && !matches!(character, '\n' | '\t'))
    {
        errors.push(
            at,
            format!(
                "the text holds the character U+{:04X}, which cannot be seen and may not stand in \
                 a plan",
                u32::from(character)
            ),
        );
        return Node {
            at,
            kind: Kind::Broken,
        };
    }
    let kind = match style {
        ScalarStyle::Plain if matches!(value.as_str(), "" | "~" | "null" | "Null" | "NULL") => {
            Kind::Null
        }
        ScalarStyle::Plain => Kind::Plain(value),
        ScalarStyle::SingleQuoted
        | ScalarStyle::DoubleQuoted
        | ScalarStyle::Literal
        | ScalarStyle::Folded => Kind::Quoted(value),
    };
    Node { at, kind }
}

/// The key that a node is; `None` if it is none, or stood there before.
fn key(node: Node, seen: &mut BTreeMap<String, At>, errors: &mut Errors) -> Option<Key> {
    let at = node.at;
    match node.kind {
        Kind::Plain(name) | Kind::Quoted(name) => {
            if let Some(first) = seen.get(&name) {
                errors.push(
                    at,
                    format!(
                        "{} stands here twice; the first is in line {}: leave one of them out",
                        shown(&name),
                        first.line
                    ),
                );
                return None;
            }
            seen.insert(name.clone(), at);
            Some(Key { at, name })
        }
        kind @ (Kind::Null | Kind::List(_) | Kind::Map(_)) => {
            errors.push(
                at,
                format!("a key must be a text, not {}", Node { at, kind }.describe()),
            );
            None
        }
        Kind::Broken => None,
    }
}
