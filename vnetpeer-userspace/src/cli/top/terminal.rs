//! The terminal while the screen is shown. It is as it was before on every way out: keys, signals, errors and
//! panics.

use std::{io, thread, time::Duration};

use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyEvent, KeyEventKind},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval_at},
};

use super::{
    report::Report,
    sample::Sample,
    screen::{Screen, Then},
};
use crate::{agent::client::Client, cli::Exit};

/// Events that wait for the screen.
const QUEUE: usize = 64;

/// Gives the terminal back.
struct Restored;

impl Drop for Restored {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// What the screen waits for.
enum Happened {
    Key(KeyEvent),
    Resized,
    Report(anyhow::Result<Report>),
    Signal,
}

/// Shows the screen until a key or a signal ends it.
pub(super) async fn run(
    clients: &[Client],
    before: Sample,
    every: Duration,
) -> anyhow::Result<Exit> {
    let mut screen = Screen::new();
    screen.update(Ok(Report::new(&before, &before)));
    let (sender, mut happened) = mpsc::channel(QUEUE);
    // Before the terminal is changed, so that no signal ends the process in between.
    spawn_signals(&sender)?;
    // Its hook gives the terminal back before a panic is told.
    let mut terminal = ratatui::try_init()?;
    let _restored = Restored;
    tokio::spawn(look(clients.to_vec(), before, every, sender.clone()));
    thread::spawn(move || read_keys(&sender));
    show(&mut terminal, screen, &mut happened).await?;
    Ok(Exit::Done)
}

async fn show(
    terminal: &mut DefaultTerminal,
    mut screen: Screen,
    happened: &mut mpsc::Receiver<Happened>,
) -> io::Result<()> {
    loop {
        terminal.draw(|frame| screen.draw(frame))?;
        match happened.recv().await {
            Some(Happened::Key(key)) if screen.press(key) == Then::Quit => return Ok(()),
            Some(Happened::Signal) | None => return Ok(()),
            Some(Happened::Report(report)) => screen.update(report),
            Some(Happened::Key(_) | Happened::Resized) => {}
        }
    }
}

/// Tells of the signals that end programs. Ctrl-C is a key here.
fn spawn_signals(sender: &mpsc::Sender<Happened>) -> io::Result<()> {
    for kind in [SignalKind::terminate(), SignalKind::hangup(), SignalKind::interrupt()] {
        let mut signals = signal(kind)?;
        let sender = sender.clone();
        tokio::spawn(async move {
            if signals.recv().await.is_some() {
                // Nobody listens any more: then it ends anyway.
                drop(sender.send(Happened::Signal).await);
            }
        });
    }
    Ok(())
}

/// Looks at the agents again and again, and tells what changed.
async fn look(
    clients: Vec<Client>,
    mut before: Sample,
    every: Duration,
    sender: mpsc::Sender<Happened>,
) {
    let mut ticks = interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let report = Sample::take(&clients).await.map(|after| {
            let report = Report::new(&before, &after);
            before = after;
            report
        });
        if sender.send(Happened::Report(report)).await.is_err() {
            return;
        }
    }
}

/// Reads keys until nobody listens. The process does not wait for it.
fn read_keys(sender: &mpsc::Sender<Happened>) {
    loop {
        let next = match event::read() {
            Ok(Event::Key(key)) if key.kind == KeyEventKind::Press => Happened::Key(key),
            Ok(Event::Resize(..)) => Happened::Resized,
            Ok(_) => continue,
            // The terminal is gone.
            Err(_) => Happened::Signal,
        };
        let is_end = matches!(next, Happened::Signal);
        if sender.blocking_send(next).is_err() || is_end {
            return;
        }
    }
}
