#!/bin/sh
# Runs once, in an empty database: a database for each service, with a user who owns it and nothing else.
set -eu

create() { # NAME VARIABLE_OF_THE_PASSWORD
  psql --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
    --set name="$1" <<SQL
\\getenv password $2
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE CONNECT ON DATABASE :"name" FROM PUBLIC;
SQL
}

create dagster DAGSTER_DB_PASSWORD
create mlflow MLFLOW_DB_PASSWORD
create feast FEAST_DB_PASSWORD
