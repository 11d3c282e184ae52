//! A component of plain WIT functions for date arithmetic, which language models often get wrong.

mod date;

mod bindings {
    wit_bindgen::generate!({ path: "wit", world: "calendar" });
}

use bindings::exports::example::calendar::dates::{Date, Guest as Dates, Span, Weekday};

/// The WIT documentation, in the custom section where hosts look for it.
#[unsafe(link_section = "package-docs")]
#[used]
static DOCS: [u8; include_bytes!(concat!(env!("OUT_DIR"), "/package-docs")).len()] =
    *include_bytes!(concat!(env!("OUT_DIR"), "/package-docs"));

/// Dates in one result of `list-dates`.
const MAX_DATES: usize = 1_000;

struct Calendar;

bindings::export!(Calendar with_types_in bindings);

impl Dates for Calendar {
    fn weekday_of(of: Date) -> Result<Weekday, String> {
        let day = date::to_days(&of)?;
        Ok(WEEK[date::weekday(day)])
    }

    fn days_between(start: Date, end: Date) -> Result<i32, String> {
        Ok(date::to_days(&end)? - date::to_days(&start)?)
    }

    fn shift(start: Date, by: Span) -> Result<Date, String> {
        let day = date::to_days(&start)?;
        match by {
            Span::Days(days) => date::from_days(day.saturating_add(days)),
            Span::Weeks(weeks) => date::from_days(day.saturating_add(weeks.saturating_mul(7))),
            Span::Months(months) => date::add_months(&start, months),
            Span::Years(years) => date::add_months(&start, years.saturating_mul(12)),
        }
    }

    fn list_dates(start: Date, end: Date, only: Option<Vec<Weekday>>) -> Result<Vec<Date>, String> {
        let days = date::to_days(&start)?..=date::to_days(&end)?;
        let wanted = |day: &i32| only.as_ref().is_none_or(|only| only.contains(&WEEK[date::weekday(*day)]));
        let mut dates = Vec::new();
        for day in days.filter(wanted) {
            if dates.len() == MAX_DATES {
                return Err(format!("there are more than {MAX_DATES} such dates; ask for fewer at a time"));
            }
            dates.push(date::from_days(day)?);
        }
        Ok(dates)
    }
}

impl bindings::Guest for Calendar {
    fn is_leap_year(year: u16) -> bool {
        date::is_leap(year)
    }
}

/// The days of the week in the order of [`date::weekday`].
const WEEK: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];
