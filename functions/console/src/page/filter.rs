//! What of a wave a page shows: query parameters, and the addresses that they make.
//!
//! What a caller writes into an address is believed only where it names something that the wave
//! has; anything else is left out, and the page says so.

use tidegate_domain::id::ApplicationName;

/// The highest number of a page that is looked at.
const LAST: usize = 100_000;

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// The pass or link that opens the page.
    pub(crate) token: String,
    /// One application alone.
    pub(crate) application: Option<ApplicationName>,
    /// One stage alone, by its name.
    pub(crate) stage: Option<String>,
    /// Which page of the servers, from 1.
    pub(crate) page: usize,
    /// Which page of the applications, from 1.
    pub(crate) applications: usize,
    /// Whether the page stays as it is.
    pub(crate) still: bool,
    /// Whether something was left out because it names nothing.
    pub(crate) ignored: bool,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sheet {
    /// Which, from 1.
    pub(crate) number: usize,
    /// How many there are, at least 1.
    pub(crate) count: usize,
    /// The first on it, counted from 0.
    pub(crate) first: usize,
    /// The address of the one before.
    pub(crate) before: Option<String>,
    /// The address of the next.
    pub(crate) next: Option<String>,
}

impl Filter {
    /// Read a query, in which `token` names the parameter that opens the page. The last of a kind
    /// counts.
    pub(crate) fn read(query: &str, token: &str) -> Self {
        let mut filter = Self {
            page: 1,
            applications: 1,
            ..Self::default()
        };
        // It reads any text: what is no pair is a name without a value.
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
        for (name, value) in pairs {
            match name.as_str() {
                name if name == token => filter.token = value,
                "application" if value.is_empty() => filter.application = None,
                "application" => match ApplicationName::parse(value) {
                    Ok(application) => filter.application = Some(application),
                    Err(_) => filter.ignored = true,
                },
                "stage" if value.is_empty() => filter.stage = None,
                "stage" => filter.stage = Some(value),
                "page" => filter.page = filter.number(&value),
                "applications" => filter.applications = filter.number(&value),
                "still" => filter.still = value == "yes",
                _ => {}
            }
        }
        filter
    }

    fn number(&mut self, value: &str) -> usize {
        let number = value.parse().ok().filter(|n| (1..=LAST).contains(n));
        self.ignored |= number.is_none();
        number.unwrap_or(1)
    }

    /// Leave out what names nothing.
    pub(crate) fn only(
        &mut self,
        has_application: impl Fn(&ApplicationName) -> bool,
        has_stage: impl Fn(&str) -> bool,
    ) {
        if self
            .application
            .as_ref()
            .is_some_and(|a| !has_application(a))
        {
            self.application = None;
            self.ignored = true;
        }
        if self.stage.as_ref().is_some_and(|s| !has_stage(s)) {
            self.stage = None;
            self.ignored = true;
        }
    }

    /// The address, relative to any other page's, of what this asks for.
    pub(crate) fn address(&self, path: &str, token: &str) -> String {
        let mut pairs = vec![(token, self.token.clone())];
        if let Some(application) = &self.application {
            pairs.push(("application", application.to_string()));
        }
        if let Some(stage) = &self.stage {
            pairs.push(("stage", stage.clone()));
        }
        if self.page > 1 {
            pairs.push(("page", self.page.to_string()));
        }
        if self.applications > 1 {
            pairs.push(("applications", self.applications.to_string()));
        }
        if self.still {
            pairs.push(("still", "yes".to_owned()));
        }
        // Pairs of texts always serialize.
        let query = serde_urlencoded::to_string(pairs).unwrap_or_default();
        format!("{path}?{query}")
    }

    /// The same for one application or all, from the first page on.
    pub(crate) fn of_application(&self, application: Option<&ApplicationName>) -> Self {
        Self {
            application: application.cloned(),
            page: 1,
            ..self.clone()
        }
    }

    /// The same for one stage or all, from the first page on.
    pub(crate) fn of_stage(&self, stage: Option<&str>) -> Self {
        Self {
            stage: stage.map(str::to_owned),
            page: 1,
            ..self.clone()
        }
    }
}

impl Sheet {
    /// The page of that number, or the last there is; `address` gives the address of any.
    pub(crate) fn of(
        wanted: usize,
        length: usize,
        each: usize,
        address: impl Fn(usize) -> String,
    ) -> Self {
        let count = length.div_ceil(each).max(1);
        let number = wanted.clamp(1, count);
        Self {
            number,
            count,
            first: (number - 1) * each,
            before: (number > 1).then(|| address(number - 1)),
            next: (number < count).then(|| address(number + 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_query_says_what_is_shown() {
        let filter = Filter::read(
            "view=a.b&application=orders-db&stage=launching+test&page=3&still=yes&x=y",
            "view",
        );
        assert_eq!(filter.token, "a.b");
        assert_eq!(filter.stage.as_deref(), Some("launching test"));
        assert!((filter.page, filter.still, filter.ignored) == (3, true, false));
        let address = filter.address("wave", "view");
        assert_eq!(
            Filter::read(address.trim_start_matches("wave?"), "view"),
            filter
        );
    }

    #[test]
    fn what_names_nothing_is_left_out() {
        for query in [
            "page=0",
            "page=-1",
            "page=99999999999999999999",
            "page=1e3",
            "application=%00%FF",
            "application=Not+A+Name",
        ] {
            let filter = Filter::read(query, "view");
            assert!(filter.ignored, "{query}");
            assert_eq!((filter.page, filter.application), (1, None), "{query}");
        }
        let mut filter = Filter::read("application=billing&stage=%3Cb%3E", "view");
        filter.only(|a| a.as_str() == "orders", |s| s == "tested");
        assert!(filter.ignored && filter.application.is_none() && filter.stage.is_none());
    }

    #[test]
    fn a_list_has_pages_to_its_end() {
        let address = |page: usize| page.to_string();
        let sheet = Sheet::of(9, 250, 100, address);
        assert_eq!((sheet.number, sheet.count, sheet.first), (3, 3, 200));
        assert_eq!((sheet.before.as_deref(), sheet.next), (Some("2"), None));
        let empty = Sheet::of(1, 0, 100, address);
        assert_eq!((empty.number, empty.count, empty.first), (1, 1, 0));
    }

    proptest! {
        #[test]
        fn any_query_is_read(query in "\\PC{0,80}|([a-z&=%+.0-9]{0,20}(page|stage|view|application)=){0,4}") {
            let filter = Filter::read(&query, "view");
            prop_assert!((1..=LAST).contains(&filter.page));
            let address = filter.address("wave", "view");
            prop_assert!(address.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'<'));
            let again = Filter { ignored: filter.ignored, ..Filter::read(&address["wave?".len()..], "view") };
            prop_assert_eq!(again, filter);
        }
    }
}
