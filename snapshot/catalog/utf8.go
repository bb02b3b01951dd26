package catalog

import (
	"fmt"
	"reflect"
	"strconv"
	"unicode/utf8"
)

// checkText makes sure that JSON will keep every string as it is. Only an
// SQL_ASCII database can send anything else than UTF-8 to a client that asks for UTF8.
func (r *reader) checkText() error {
	if r.c.Database.Encoding != "SQL_ASCII" {
		return nil
	}
	return checkStrings(reflect.ValueOf(*r.c), "database "+r.c.Database.Name)
}

func checkStrings(v reflect.Value, where string) error {
	switch v.Kind() {
	case reflect.String:
		if !utf8.ValidString(v.String()) {
			return fmt.Errorf("the catalog entry of %s holds text that is not UTF-8 (%s), which a snapshot's catalog cannot keep; rename "+
				"or rewrite it on the source",
				strconv.QuoteToASCII(where), strconv.QuoteToASCII(shorten(v.String(), 60)))
		}
	case reflect.Slice:
		for i := range v.Len() {
			if err := checkStrings(v.Index(i), where); err != nil {
				return err
			}
		}
	case reflect.Struct:
		where = objectName(v, where)
		for i := range v.NumField() {
			if err := checkStrings(v.Field(i), where); err != nil {
				return err
			}
		}
	}
	return nil
}

// objectName says which object a struct of the model is.
func objectName(v reflect.Value, outer string) string {
	name := v.FieldByName("Name")
	if !name.IsValid() || name.Kind() != reflect.String || name.String() == "" || v.Type() == reflect.TypeFor[Object]() {
		return outer
	}
	kind := v.Type().Name()
	if schema := v.FieldByName("Schema"); schema.IsValid() && schema.Kind() == reflect.String && schema.String() != "" {
		return kind + " " + schema.String() + "." + name.String()
	}
	return kind + " " + name.String() + " in " + outer
}

func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}
