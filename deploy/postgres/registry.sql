-- The schema registry's own database, made once, when the data folder is.
CREATE DATABASE registry;
