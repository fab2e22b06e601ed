"""What people look at to see what a job does: profiles, a dashboard. Knows nothing of commands."""
