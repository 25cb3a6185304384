//! What the screen shows, and what keys do to it.

use ratatui::{
    Frame,
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers},
    layout::{Alignment, Constraint, Layout},
    style::{Color, Modifier, Style},
    text::{Line, Text},
    widgets::{Cell as TableCell, Paragraph, Row, Table, Tabs},
};

use super::report::{Cell, Report};

/// From here on a map is nearly full.
const FULL_PERCENT: u64 = 80;
/// Rows that a page key moves.
const PAGE: usize = 20;

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tab {
    Links,
    Nics,
    Drops,
    Maps,
}

impl Tab {
    pub(super) const ALL: [Self; 4] = [Self::Links, Self::Nics, Self::Drops, Self::Maps];

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Links => "Links",
            Self::Nics => "NICs",
            Self::Drops => "Drops",
            Self::Maps => "Maps",
        }
    }

    pub(super) const fn header(self) -> &'static [&'static str] {
        match self {
            Self::Links => {
                &["peering", "egress", "ingress", "egress packets", "ingress packets", "bytes"]
            }
            Self::Nics => &["nic", "host", "flows", "half-open", "drops"],
            Self::Drops => &["nic", "reason", "packets", "total", "meaning"],
            Self::Maps => &["host", "map", "full", "used", "capacity"],
        }
    }

    /// The busiest rows come first.
    const fn first_sort(self) -> usize {
        match self {
            Self::Links => 1,
            Self::Nics | Self::Drops | Self::Maps => 2,
        }
    }

    const fn index(self) -> usize {
        self as usize
    }

    fn at(index: usize) -> Self {
        Self::ALL.get(index % Self::ALL.len()).copied().unwrap_or(Self::Links)
    }
}

/// The column that rows are sorted by.
#[derive(Clone, Copy, Debug)]
struct Order {
    column: usize,
    descending: bool,
}

/// The screen.
#[derive(Debug)]
pub(super) struct Screen {
    tab: Tab,
    orders: [Order; 4],
    /// Rows above the first that is shown.
    offset: usize,
    report: Report,
    /// Why there was no newer report.
    error: Option<String>,
}

/// What a key means for the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    GoOn,
    Quit,
}

impl Screen {
    pub(super) fn new() -> Self {
        let order = |tab: Tab| Order { column: tab.first_sort(), descending: true };
        Self {
            tab: Tab::Links,
            orders: Tab::ALL.map(order),
            offset: 0,
            report: Report::default(),
            error: None,
        }
    }

    /// Shows newer numbers, or why there are none.
    pub(super) fn update(&mut self, report: anyhow::Result<Report>) {
        match report {
            Ok(report) => {
                self.error = report.errors.first().cloned();
                self.report = report;
            }
            Err(error) => self.error = Some(format!("{error:#}")),
        }
    }

    pub(super) fn press(&mut self, key: KeyEvent) -> Then {
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if is_control => return Then::Quit,
            KeyCode::Char('q') | KeyCode::Esc => return Then::Quit,
            KeyCode::Tab | KeyCode::Right => self.show(Tab::at(self.tab.index() + 1)),
            KeyCode::BackTab | KeyCode::Left => {
                self.show(Tab::at(self.tab.index() + Tab::ALL.len() - 1));
            }
            KeyCode::Char(digit @ '1'..='4') => {
                self.show(Tab::at(usize::from(digit as u8 - b'1')));
            }
            KeyCode::Char('s') => {
                let columns = self.tab.header().len();
                self.order_mut(|it| it.column = (it.column + 1) % columns);
            }
            KeyCode::Char('r') => self.order_mut(|it| it.descending = !it.descending),
            KeyCode::Down => self.offset += 1,
            KeyCode::Up => self.offset = self.offset.saturating_sub(1),
            KeyCode::PageDown => self.offset += PAGE,
            KeyCode::PageUp => self.offset = self.offset.saturating_sub(PAGE),
            _ => {}
        }
        Then::GoOn
    }

    fn show(&mut self, tab: Tab) {
        self.tab = tab;
        self.offset = 0;
    }

    fn order_mut(&mut self, change: impl FnOnce(&mut Order)) {
        if let Some(order) = self.orders.get_mut(self.tab.index()) {
            change(order);
        }
    }

    fn order(&self) -> Order {
        let order = self.orders.get(self.tab.index()).copied();
        order.unwrap_or(Order { column: 0, descending: false })
    }

    fn sorted(&self) -> Vec<Vec<Cell>> {
        let Order { column, descending } = self.order();
        let mut rows = self.report.rows(self.tab);
        rows.sort_by(|a, b| match (a.get(column), b.get(column)) {
            (Some(a), Some(b)) if descending => b.compare(a),
            (Some(a), Some(b)) => a.compare(b),
            _ => std::cmp::Ordering::Equal,
        });
        rows
    }

    pub(super) fn draw(&mut self, frame: &mut Frame<'_>) {
        let [top, tabs, body, foot] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(2),
            Constraint::Min(1),
            Constraint::Length(1),
        ])
        .areas(frame.area());
        frame.render_widget(Paragraph::new(self.summary()), top);
        let titles =
            Tab::ALL.iter().enumerate().map(|(index, it)| format!("{} {}", index + 1, it.title()));
        let chosen = Style::new().fg(Color::Black).bg(Color::Cyan);
        frame.render_widget(
            Tabs::new(titles).select(self.tab.index()).highlight_style(chosen).divider(" "),
            tabs,
        );
        let rows = self.sorted();
        let shown = usize::from(body.height).saturating_sub(1);
        self.offset = self.offset.min(rows.len().saturating_sub(shown));
        frame.render_widget(self.table(&rows), body);
        let keys = " Tab next   s sort   r reverse   ↑↓ scroll   q quit";
        let foot_line = match &self.error {
            Some(error) => Line::styled(format!(" {error}"), Style::new().fg(Color::Red)),
            None => Line::styled(keys, Style::new().fg(Color::DarkGray)),
        };
        frame.render_widget(Paragraph::new(foot_line), foot);
    }

    fn summary(&self) -> Line<'static> {
        let hosts = &self.report.hosts;
        let ready = hosts.iter().filter(|it| it.ready).count();
        let name = hosts.first().map_or("", |it| it.deployment.as_str());
        let serial = hosts.iter().map(|it| it.serial).max().unwrap_or(0);
        let text = format!(
            " vnetpeer top: {name}, serial {serial}, {ready} of {} hosts ready",
            hosts.len()
        );
        let color = if ready == hosts.len() { Color::Reset } else { Color::Red };
        Line::styled(text, Style::new().fg(color).add_modifier(Modifier::BOLD))
    }

    fn table(&self, rows: &[Vec<Cell>]) -> Table<'static> {
        let order = self.order();
        let mark = if order.descending { "▼" } else { "▲" };
        let names: Vec<String> = self
            .tab
            .header()
            .iter()
            .enumerate()
            .map(|(index, it)| {
                let mark = if index == order.column { mark } else { "" };
                format!("{}{mark}", it.to_uppercase())
            })
            .collect();
        let widths = names.iter().enumerate().map(|(index, name)| {
            let cells = rows.iter().filter_map(|row| row.get(index));
            let widest = cells.map(|it| it.to_string().chars().count()).max().unwrap_or(0);
            let width = widest.max(name.chars().count());
            Constraint::Length(u16::try_from(width).unwrap_or(u16::MAX))
        });
        let widths: Vec<Constraint> = widths.collect();
        let is_number =
            |index| rows.first().and_then(|row| row.get(index)).is_some_and(Cell::is_number);
        let header =
            names.iter().enumerate().map(|(index, it)| aligned(it.clone(), is_number(index)));
        let header = Row::new(header).style(Style::new().fg(Color::Cyan));
        let shown = rows.iter().skip(self.offset).map(|row| {
            let cells = row.iter().map(|it| aligned(it.to_string(), it.is_number()));
            Row::new(cells).style(style_of(row))
        });
        Table::new(shown, widths).header(header).column_spacing(2)
    }
}

fn aligned(text: String, is_number: bool) -> TableCell<'static> {
    let alignment = if is_number { Alignment::Right } else { Alignment::Left };
    TableCell::from(Text::from(text).alignment(alignment))
}

/// A map that is nearly full stands out.
fn style_of(row: &[Cell]) -> Style {
    let is_full = row.iter().any(|it| matches!(it, Cell::Percent(it) if *it >= FULL_PERCENT));
    if is_full { Style::new().fg(Color::Red) } else { Style::new() }
}
