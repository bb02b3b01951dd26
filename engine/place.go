package engine

// Place says which repository and which source in it a use case works on.
type Place struct {
	// Repository is a plain path or a file:/// URL.
	Repository string
	// Source is the source's name. Empty: for use cases with a connection to the source the database's name,
	// for the others the only source of the repository (several are an ErrUsage that names them).
	Source string
}
