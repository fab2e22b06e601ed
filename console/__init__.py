"""What people look at to see what a job does: profiles. Knows nothing of commands."""
