module toolcrib

go 1.25
