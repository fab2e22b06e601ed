"""Inside one isolated process: receive inputs, run, commit, report. Knows no source or sink."""
