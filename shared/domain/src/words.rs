//! Times, durations and other people's words, as mails and pages say them.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// `2026-12-05 22:00 Europe/Berlin (21:00 UTC)`; the day is given again where it differs. UTC
/// alone if there is no zone, or none of that name.
#[must_use]
pub fn time(at: Timestamp, zone: Option<&str>) -> String {
    let utc = at.to_zoned(TimeZone::UTC);
    match zone.and_then(|name| Some((name, TimeZone::get(name).ok()?))) {
        Some((name, zone)) if name != "UTC" => {
            let local = at.to_zoned(zone);
            let same_day = local.date() == utc.date();
            let form = if same_day { "%H:%M" } else { "%Y-%m-%d %H:%M" };
            let local = local.strftime("%Y-%m-%d %H:%M");
            format!("{local} {name} ({} UTC)", utc.strftime(form))
        }
        Some(_) | None => utc.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    }
}

/// `1 h 30 min`, `5 min`, `45 s`: seconds only where there are no hours.
#[must_use]
pub fn duration(duration: SignedDuration) -> String {
    let (hours, minutes, seconds) = (
        duration.as_hours(),
        duration.as_mins() % 60,
        duration.as_secs() % 60,
    );
    let mut parts = Vec::new();
    if hours > 0 {
        parts.push(format!("{hours} h"));
    }
    if minutes > 0 {
        parts.push(format!("{minutes} min"));
    }
    if parts.is_empty() || (hours == 0 && seconds > 0) {
        parts.push(format!("{seconds} s"));
    }
    parts.join(" ")
}

/// The first of them, and how many more there are: `a, b and 3 more`.
#[must_use]
pub fn few<T: ToString>(all: &[T], most: usize) -> String {
    let named: Vec<String> = all.iter().take(most).map(T::to_string).collect();
    match all.len().saturating_sub(most) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// `1 server`, `12 servers`.
#[must_use]
pub fn count(number: usize, of: &str) -> String {
    if number == 1 {
        format!("1 {of}")
    } else {
        format!("{number} {of}s")
    }
}

/// Whether a character cannot be seen and yet makes a text look like another one, or means something
/// to a terminal or a mail: control characters, separators that break lines, marks that change the
/// direction of writing, characters without width or without ink (Unicode's categories Cc and Cf, and
/// of its Default_Ignorable_Code_Point what is not about the shape of the character before it).
#[must_use]
pub fn hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{00ad}'
                | '\u{034f}'
                | '\u{061c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e00ff}'
                | '\u{e01f0}'..='\u{e0fff}'
        )
}

/// Chooses between two shapes of the character before it, and is nothing by itself.
fn chooses_shape(character: char) -> bool {
    matches!(
        character,
        '\u{180b}'..='\u{180f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}'
    )
}

/// Somebody else's words on one line of at most `longest` characters: no line break that could
/// make them look like our own, nothing that is read otherwise than it is written.
#[must_use]
pub fn one_line(text: &str, longest: usize) -> String {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let seen = |c: &char| !hidden(*c) && !chooses_shape(*c);
    let spaced = text.chars().map(|c| if breaks(c) { ' ' } else { c });
    let mut characters = spaced.filter(seen);
    let mut line: String = characters.by_ref().take(longest).collect();
    if characters.next().is_some() {
        line.pop();
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_local_and_utc() {
        let at: Timestamp = "2026-12-05T23:30:00Z".parse().expect("a time");
        let cases = [
            (None, "2026-12-05 23:30 UTC"),
            (Some("UTC"), "2026-12-05 23:30 UTC"),
            (Some("Nowhere/Atlantis"), "2026-12-05 23:30 UTC"),
            (
                Some("Europe/Berlin"),
                "2026-12-06 00:30 Europe/Berlin (2026-12-05 23:30 UTC)",
            ),
            (
                Some("America/New_York"),
                "2026-12-05 18:30 America/New_York (23:30 UTC)",
            ),
        ];
        for (zone, expected) in cases {
            assert_eq!(time(at, zone), expected);
        }
    }

    #[test]
    fn durations_are_short() {
        let cases = [
            (0, "0 s"),
            (45, "45 s"),
            (300, "5 min"),
            (330, "5 min 30 s"),
            (5_430, "1 h 30 min"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(duration(SignedDuration::from_secs(seconds)), expected);
        }
        assert_eq!(
            [count(1, "server"), count(0, "server")],
            ["1 server", "0 servers"]
        );
    }

    #[test]
    fn other_peoples_words_stay_on_their_line() {
        assert_eq!(one_line("a\r\nb\u{2028}c", 10), "a  b c");
        assert_eq!(one_line("abcdef", 6), "abcdef");
        assert_eq!(one_line("abcdefg", 6), "abcde…");
    }

    #[test]
    fn other_peoples_words_are_read_as_they_are_written() {
        let cases = [
            // `db01` turned round, and the end of the line with it.
            ("\u{202e}10bd\u{202c}, ready", "10bd, ready"),
            ("\u{2066}db\u{2069}01\u{200e}\u{200f}\u{61c}", "db01"),
            ("db\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}\u{ad}01", "db01"),
            // Letters that tag a text, and shapes of the letter before.
            ("db01\u{e0041}\u{e007f}\u{fe0f}\u{e0100}", "db01"),
            // Letters without ink.
            ("db\u{3164}\u{115f}\u{ffa0}01", "db01"),
            // These can be seen.
            (
                "Gr\u{f6}\u{df}e \u{645}\u{631}\u{62d}\u{628}\u{627} \u{1f6a2}",
                "Größe مرحبا 🚢",
            ),
            ("\u{202e}\u{200b}", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(one_line(text, 80), expected, "{text:?}");
        }
        // What is not shown takes no room.
        assert_eq!(one_line("a\u{202e}b\u{202e}c", 3), "abc");
    }
}
