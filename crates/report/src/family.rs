use crate::ReportRun;

/// Who was branched off whom, among the runs of a report.
pub(crate) struct Family {
    /// For every run its nearest ancestor, and which of its forks led away from that.
    pub(crate) parents: Vec<Option<Origin>>,
    /// Every run, each after its ancestors, branches by the step they begin at.
    pub(crate) order: Vec<usize>,
}

/// The nearest ancestor that is in the report.
#[derive(Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) run: usize,
    /// Index into the run's `forks`.
    pub(crate) fork: usize,
}

impl Family {
    pub(crate) fn new(runs: &[ReportRun]) -> Self {
        let parents: Vec<Option<Origin>> = runs.iter().map(|run| origin(run, runs)).collect();
        let mut family = Self {
            parents,
            order: Vec::new(),
        };
        let roots = (0..runs.len()).filter(|run| family.parents[*run].is_none());
        for root in roots.collect::<Vec<_>>() {
            family.visit(root, runs);
        }
        family
    }

    fn visit(&mut self, run: usize, runs: &[ReportRun]) {
        self.order.push(run);
        for child in self.children(run, runs) {
            self.visit(child, runs);
        }
    }

    /// The runs that were branched off `run`, by the step.
    pub(crate) fn children(&self, run: usize, runs: &[ReportRun]) -> Vec<usize> {
        let mut found: Vec<(u64, usize)> = Vec::new();
        for (child, origin) in self.parents.iter().enumerate() {
            if let Some(origin) = origin
                && origin.run == run
            {
                found.push((runs[child].forks[origin.fork].step, child));
            }
        }
        found.sort_unstable();
        found.into_iter().map(|(_, child)| child).collect()
    }

    /// The oldest ancestor; the run itself if it has none.
    pub(crate) fn root(&self, mut run: usize) -> usize {
        while let Some(origin) = self.parents[run] {
            run = origin.run;
        }
        run
    }

    /// How many of the run's rows are its ancestor's.
    pub(crate) fn shared_rows(&self, run: usize, runs: &[ReportRun]) -> usize {
        let Some(origin) = self.parents[run] else {
            return 0;
        };
        let step = runs[run].forks[origin.fork].step;
        runs[run].rows.partition_point(|row| row.step <= step)
    }
}

fn origin(run: &ReportRun, runs: &[ReportRun]) -> Option<Origin> {
    let forks = run.forks.iter().enumerate().rev();
    forks
        .filter_map(|(fork, source)| {
            let is_it = |other: &ReportRun| {
                // An ancestor has fewer: whatever the ids say, no circle comes about.
                other.run_id == source.run_id && other.forks.len() < run.forks.len()
            };
            let found = (0..runs.len()).filter(|other| is_it(&runs[*other]));
            // The same run in another precision or on another device has the same id.
            let other = found.min_by_key(|other| !same_machine(run, &runs[*other]));
            other.map(|run| Origin { run, fork })
        })
        .next()
}

/// Whether two runs have the same identity, settings aside.
fn same_machine(a: &ReportRun, b: &ReportRun) -> bool {
    let parts = |run: &ReportRun| -> Vec<(String, String)> {
        let parts = run.identity.iter().filter(|(key, _)| key != "config_hash");
        parts.cloned().collect()
    };
    parts(a) == parts(b)
}
