"""What alembic runs to migrate: on the connection that `headrace migrate` opened."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table="migrations",
    version_table_schema="headrace",
)
with context.begin_transaction():
    context.run_migrations()
