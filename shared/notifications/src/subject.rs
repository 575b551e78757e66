//! Subjects of mails, as SNS takes them.

/// The most characters of a subject (SNS, Publish: "less than 100 characters long").
pub(crate) const LONGEST_SUBJECT: usize = 99;

/// A subject that SNS takes, from any text: one line of printable ASCII that begins with a letter,
/// digit or punctuation mark; what is not ASCII becomes `?`, what is too long is cut with `...`.
pub(crate) fn subject(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let mut line = String::new();
    for word in words.filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(
            word.chars()
                .map(|c| if c.is_ascii_graphic() { c } else { '?' }),
        );
    }
    if line.is_empty() {
        line.push_str("Tidegate");
    }
    if line.len() > LONGEST_SUBJECT {
        line.truncate(LONGEST_SUBJECT - 3);
        line.push_str("...");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_one_short_line_that_sns_takes() {
        let cases = [
            ("orders is held", "orders is held"),
            (
                "  orders\r\nBcc: all@example.com\t!\u{7} ",
                "orders Bcc: all@example.com !",
            ),
            ("Welle gehälten", "Welle geh?lten"),
            ("\n\u{0}", "Tidegate"),
        ];
        for (text, expected) in cases {
            assert_eq!(subject(text), expected);
        }
        let long = subject(&"word ".repeat(100));
        assert_eq!(long.len(), LONGEST_SUBJECT);
        assert!(long.ends_with("..."));
    }
}
