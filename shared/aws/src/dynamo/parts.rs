//! Bodies that are too large for one item (a wave of 3,000 servers with the evidence of an open
//! gate): cut into parts, each an item, and put together again.
//!
//! **Invariant**: a part carries the turn that wrote it; a body is put together from parts of one
//! turn, or not at all.

use std::collections::BTreeMap;

use tidegate_ports::error::StoreError;

use super::DynamoStore;
use super::item::{Attributes, Item, Key, number, text};

/// The most bytes of a body in one item; the other attributes fit in what is left of 400 KB.
const MOST_BYTES: usize = 350_000;

/// The items that hold a body: the first carries `attributes` too.
pub(super) fn cut(key: &Key, body: &str, turn: u64, attributes: Item) -> Vec<Item> {
    let pieces = pieces(body);
    let parts = pieces.len() as u64;
    let mut attributes = Some(attributes);
    pieces
        .into_iter()
        .enumerate()
        .map(|(index, piece)| {
            let mut item = part_key(key, index).item();
            item.insert("body".to_owned(), text(piece));
            item.insert("turn".to_owned(), number(turn));
            if let Some(attributes) = attributes.take() {
                item.extend(attributes);
                if parts > 1 {
                    item.insert("parts".to_owned(), number(parts));
                }
            }
            item
        })
        .collect()
}

/// How many items hold a body.
pub(super) fn parts(body: &str) -> usize {
    pieces(body).len()
}

/// The keys of the items, after the first, that hold a body of so many parts.
pub(super) fn further_parts(key: &Key, parts: usize) -> impl Iterator<Item = Key> {
    (1..parts).map(|index| part_key(key, index))
}

/// How a body was put together.
#[derive(Debug)]
pub(super) enum Joined {
    /// The whole body.
    Whole(String),
    /// Parts of different turns: somebody wrote meanwhile. Read again.
    Torn,
}

/// Put the body of `first` together; `rest` holds the items of its partition by `sk`.
pub(super) fn join(first: &Item, rest: &BTreeMap<String, Item>) -> Result<Joined, StoreError> {
    let key = Key::new(first.text("pk")?, first.text("sk")?);
    let turn = first.number("turn")?;
    let mut body = first.text("body")?.to_owned();
    for index in 1..part_count(first) {
        match rest.get(&part_key(&key, index).sk) {
            Some(part) if part.number_if("turn") == Some(turn) => body.push_str(part.text("body")?),
            Some(_) | None => return Ok(Joined::Torn),
        }
    }
    Ok(Joined::Whole(body))
}

impl DynamoStore {
    /// The body of an item that was read alone: its other parts are read now.
    pub(super) async fn body(&self, first: &Item) -> Result<Joined, StoreError> {
        let key = Key::new(first.text("pk")?, first.text("sk")?);
        let mut rest = BTreeMap::new();
        for key in further_parts(&key, part_count(first)) {
            if let Some(part) = self.get(&key).await? {
                rest.insert(key.sk, part);
            }
        }
        join(first, &rest)
    }
}

/// How many items hold the body of this one and those after it.
pub(super) fn part_count(first: &Item) -> usize {
    first
        .number_if("parts")
        .and_then(|parts| usize::try_from(parts).ok())
        .unwrap_or(1)
}

fn part_key(key: &Key, index: usize) -> Key {
    if index == 0 {
        key.clone()
    } else {
        Key::new(&key.pk, format!("{}#part-{index:02}", key.sk))
    }
}

/// Whether a `sk` is that of a further part.
pub(super) fn is_part(sk: &str) -> bool {
    sk.contains("#part-")
}

/// Cut at the ends of characters; at least one piece.
fn pieces(body: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = body;
    while rest.len() > MOST_BYTES {
        let mut end = MOST_BYTES;
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (piece, after) = rest.split_at(end);
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_sk(items: &[Item]) -> BTreeMap<String, Item> {
        items
            .iter()
            .map(|item| (item.text("sk").expect("a key").to_owned(), item.clone()))
            .collect()
    }

    #[test]
    fn a_body_is_put_together_from_parts_of_one_turn() {
        let key = Key::new("WAVE#orders", "WAVE");
        for body in [
            String::new(),
            "x".repeat(MOST_BYTES),
            "ä€x".repeat(MOST_BYTES / 2),
        ] {
            let items = cut(&key, &body, 7, Item::new());
            assert!(
                items
                    .iter()
                    .all(|item| super::super::query::size(item) < 400_000)
            );
            let joined = join(&items[0], &by_sk(&items)).expect("readable");
            assert!(matches!(joined, Joined::Whole(whole) if whole == body));
        }
    }

    #[test]
    fn parts_of_another_turn_are_not_believed() {
        let key = Key::new("WAVE#orders", "WAVE");
        let old = cut(&key, &"x".repeat(2 * MOST_BYTES), 7, Item::new());
        let new = cut(&key, &"y".repeat(2 * MOST_BYTES), 8, Item::new());
        let mixed = BTreeMap::from([by_sk(&old).pop_last().expect("two parts")]);
        let joined = join(&new[0], &mixed).expect("readable");
        assert!(matches!(joined, Joined::Torn));
        let joined = join(&new[0], &BTreeMap::new()).expect("readable");
        assert!(matches!(joined, Joined::Torn));
        assert!(is_part("WAVE#part-01") && !is_part("WAVE"));
    }
}
