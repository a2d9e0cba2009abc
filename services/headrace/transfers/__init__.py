"""A transfer of money between two accounts: requested, perhaps reviewed, held, credited, settled; or failed."""
