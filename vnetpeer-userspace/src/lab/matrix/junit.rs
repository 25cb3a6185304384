//! A matrix as a `JUnit` report: one suite for each NIC that asked, one case for each address, protocol and port.

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::{Cell, Matrix};

impl Matrix {
    /// The report as XML.
    pub fn junit(&self) -> Result<String, SerializeError> {
        let mut report = Report::new("vnetpeer connectivity");
        for nic in &self.nics {
            let mut suite = TestSuite::new(nic.as_str());
            let cells = self.cells.iter().filter(|cell| cell.from == *nic);
            suite.add_test_cases(cells.map(case));
            report.add_test_suite(suite);
        }
        report.to_string()
    }
}

fn case(cell: &Cell) -> TestCase {
    let name = format!("{} ({}) by {}", cell.to, cell.address, cell.service());
    let status = if cell.is_equal() {
        TestCaseStatus::success()
    } else {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status.set_message(cell.difference());
        status
    };
    let mut case = TestCase::new(name, status);
    case.set_classname(cell.from.as_str());
    case
}
