package voiceagent

import "net/http"

// ForgetJobs makes the stand-in answer 404 for all jobs so far, as the voice
// service does after a restart: it keeps them in memory.
func (s *Server) ForgetJobs() {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	for _, e := range s.book.entries {
		e.forgotten = true
	}
}

func (s *Server) handleJob(w http.ResponseWriter, r *http.Request, c contract) {
	if s.limited(w, c) {
		return
	}
	if _, denied := c.authenticate(r.Header); denied != nil {
		c.refuse(w, denied.status, denied.message)
		return
	}
	job := s.book.job(r.PathValue("jobID"))
	if job == nil {
		c.refuse(w, http.StatusNotFound, "job not found")
		return
	}
	c.describe(w, job)
}

// job describes a job that is asked for, nil if there is none.
func (b *book) job(id string) map[string]any {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.jobs[id]
	if e == nil {
		return nil
	}
	e.asked++
	if e.forgotten {
		return nil
	}
	return e.describe()
}

// accepted describes a job as start-call answers.
func (b *book) accepted(e *entry) map[string]any {
	b.mu.Lock()
	defer b.mu.Unlock()
	return e.describe()
}

// describe is the voice service's form of a job, in start-call and later.
func (e *entry) describe() map[string]any {
	result := map[string]any{"to_number": e.toNumber, "status": e.state, "call_log_id": nil}
	if e.CallID != "" {
		result["call_log_id"] = e.CallID
	}
	job := map[string]any{"job_id": e.JobID, "mode": "single", "status": e.state, "results": []any{result}, "error": nil}
	if e.state == "failed" {
		job["error"] = e.code
	}
	return job
}
