module example.com/agenda

go 1.25

require toolcrib v0.0.0

replace toolcrib => ../../wit/go
