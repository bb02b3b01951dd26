package fidelity

// explained are the differences that are accepted whatever other tools do, with the reason.
func explained() map[Item]string {
	return map[Item]string{
		{Rows, "app.keyed"}: "this materialized view is stale in the source; a restore refreshes it, as pg_dump's does",
	}
}

// accept says of each difference why it is no failure: it is explained, or the baseline has the very same. A copy made by
// other means that differs in another way is no excuse.
func accept(d []Difference, baseline []Difference) {
	same := map[Item]string{}
	for _, b := range baseline {
		same[b.Item] = b.Got
	}
	for i := range d {
		if got, differs := same[d[i].Item]; differs && got == d[i].Got && d[i].Got != "" {
			d[i].Why = "pg_dump's copy is the same"
		}
		if why, ok := explained()[d[i].Item]; ok {
			d[i].Why = why
		}
	}
}
