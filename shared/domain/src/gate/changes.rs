//! What changed since people were asked: the first changes as sentences, the others counted.

use serde::{Deserialize, Serialize};

/// The most changes that are told.
const MOST: usize = 50;

/// What is not as it was shown any more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// The first of them, a sentence each without its end.
    pub told: Vec<String>,
    /// How many more there are.
    #[serde(default)]
    pub more: u32,
}

impl Changes {
    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// The first `most`, and how many more there are.
    #[must_use]
    pub fn first(&self, most: usize) -> (&[String], usize) {
        let told = self.told.get(..most).unwrap_or(&self.told);
        let more = usize::try_from(self.more).unwrap_or(usize::MAX);
        (told, more.saturating_add(self.told.len() - told.len()))
    }

    /// The first `most` in one clause, the rest counted.
    #[must_use]
    pub fn clause(&self, most: usize) -> String {
        let (told, more) = self.first(most);
        match more {
            0 => told.join("; "),
            more => format!("{}; and {more} more", told.join("; ")),
        }
    }

    /// Tell one more.
    pub fn push(&mut self, change: String) {
        if self.told.len() < MOST {
            self.told.push(change);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    /// Tell these too.
    pub fn add(&mut self, others: Self) {
        for change in others.told {
            self.push(change);
        }
        self.more = self.more.saturating_add(others.more);
    }
}

impl FromIterator<String> for Changes {
    fn from_iter<I: IntoIterator<Item = String>>(all: I) -> Self {
        let mut changes = Self::default();
        for change in all {
            changes.push(change);
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_told_is_counted() {
        let mut changes: Changes = (0..300).map(|n| format!("host{n} stalls")).collect();
        assert_eq!((changes.told.len(), changes.more), (MOST, 250));
        let (first, more) = changes.first(10);
        assert_eq!((first.len(), more), (10, 290));
        changes.add(std::iter::once("one more".to_owned()).collect());
        assert_eq!(changes.first(MOST).1, 251);
    }
}
